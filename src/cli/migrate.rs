//! `vouchsafe migrate up | down | status`

use clap::Subcommand;

use crate::{
    cli::{CliError, say},
    store::{Db, migrations},
};

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// Apply every step that is missing
    Up,
    /// Take back the last step, those above a number, or all; what they hold is lost
    Down {
        /// Keep the steps up to this number
        #[arg(long, value_name = "N", conflicts_with = "all")]
        to: Option<i64>,
        /// Take back everything
        #[arg(long)]
        all: bool,
    },
    /// List the steps
    Status,
}

impl Migrate {
    pub(super) async fn run(self, db: &Db) -> Result<(), CliError> {
        let before = migrations::status(db).await?;
        match self {
            Self::Status => {
                for step in &before {
                    let state = if step.applied { "applied" } else { "missing" };
                    say(&format!("{:04}  {state}  {}", step.version, step.description))?;
                }
                return Ok(());
            }
            Self::Up => migrations::up(db).await?,
            Self::Down { to, all } => {
                let mut applied = before.iter().filter(|step| step.applied).map(|step| step.version).rev();
                let last = applied.next();
                let below_last = applied.next().unwrap_or(0);
                if last.is_none() {
                    say("nothing is applied")?;
                    return Ok(());
                }
                migrations::down(db, if all { 0 } else { to.unwrap_or(below_last) }).await?;
            }
        }
        let after = migrations::status(db).await?;
        let changed: Vec<_> = before.iter().zip(&after).filter(|(was, is)| was.applied != is.applied).collect();
        for (was, is) in &changed {
            let verb = if is.applied { "applied" } else { "took back" };
            say(&format!("{verb} {:04} {}", was.version, was.description))?;
        }
        if changed.is_empty() {
            say("nothing to do")?;
        }
        Ok(())
    }
}
