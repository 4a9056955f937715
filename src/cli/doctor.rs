//! `vouchsafe doctor`

use clap::Args;

use crate::{
    cli::{CliError, say},
    config::Config,
    platform::clock::Clock,
    services::doctor::{self, Health},
    store::Db,
};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks at the database as it is: no migration, no secret.
    pub(super) async fn run(self, config: &Config) -> Result<(), CliError> {
        let db = Db::open(config.database.url.expose(), config.database.pool_size).await?;
        let report = doctor::examine(&db, Clock::system().now()).await;
        db.close().await;
        let report = report?;
        if self.json {
            say(&serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?)?;
        } else {
            for finding in &report.findings {
                let word = match finding.health {
                    Health::Sound => "sound",
                    Health::Neglected => "neglected",
                    Health::Broken => "BROKEN",
                };
                say(&format!("{word:<9}  {:<13}  {}", finding.name, finding.rule))?;
                if finding.count > 0 {
                    say(&format!("{:<26}{} break this, among them:", "", finding.count))?;
                    for example in &finding.first {
                        say(&format!("{:<28}{example}", ""))?;
                    }
                }
            }
        }
        if report.health == Health::Broken { Err(CliError::Unsound) } else { Ok(()) }
    }
}
