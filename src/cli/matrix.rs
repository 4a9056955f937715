//! `vouchsafe matrix export | import`

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{CliError, OPERATOR, catalogue::shown, say, say_json},
    domain::{
        ids::{FeatureId, TierId},
        lang::Lang,
        limit::Cell,
        matrix::{CellChange, Effect, Matrix, Review},
        matrix_file::{self, BadLine},
    },
    platform::env::Env,
    services::matrix,
    words,
};

#[derive(Debug, Subcommand)]
pub(super) enum MatrixCommand {
    /// Write the matrix to a file, or to standard output
    Export(Export),
    /// Read a matrix and show what would change; with --yes, change it
    #[command(
        after_help = "CSV has a line for every feature and a column for every tier; what the file does not name \
        stays.\nJSON is what export writes: cells carry the version that was seen, and one that somebody changed \
        since is refused.\nAn empty cell (in JSON \"inherit\") is the feature's default."
    )]
    Import(Import),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Where to; standard output without it
    file: Option<PathBuf>,
    /// The format, if not that of the file's ending
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
    /// The format, if not that of the file's ending
    #[arg(long)]
    format: Option<Format>,
    /// Change it
    #[arg(long)]
    yes: bool,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

/// Why a file is not read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum MatrixFileError {
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: io::Error },
    #[error("{} is no matrix in JSON: {problem}", file.display())]
    Json { file: PathBuf, problem: serde_json::Error },
    #[error("{} cannot be read:\n{}", file.display(), .lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Lines { file: PathBuf, lines: Vec<BadLine> },
}

/// The matrix in JSON. It has every cell, so that a file is complete.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    limits: Vec<FileCell>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileCell {
    tier: TierId,
    feature: FeatureId,
    limit: Cell,
    version: i64,
}

fn format_of(format: Option<Format>, file: Option<&Path>) -> Format {
    let ending = file.and_then(Path::extension).and_then(|ending| ending.to_str());
    format.unwrap_or(match ending {
        Some("json") => Format::Json,
        _ => Format::Csv,
    })
}

impl MatrixCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Export(export) => export.run(env).await,
            Self::Import(import) => import.run(env).await,
        }
    }
}

impl Export {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let matrix = matrix::read(env).await?;
        let format = format_of(self.format, self.file.as_deref());
        let Some(file) = self.file else {
            return match format {
                Format::Csv => say(matrix_file::to_csv(&matrix).trim_end()),
                Format::Json => say_json(&File::of(&matrix)),
            };
        };
        let text = match format {
            Format::Csv => matrix_file::to_csv(&matrix),
            Format::Json => serde_json::to_string_pretty(&File::of(&matrix)).map_err(io::Error::from)?,
        };
        fs::write(&file, text).map_err(|problem| MatrixFileError::File { file: file.clone(), problem })?;
        let (tiers, features) = (matrix.tiers.len(), matrix.features.len());
        say(&format!("{}: {tiers} tiers, {features} features", file.display()))
    }
}

impl File {
    fn of(matrix: &Matrix) -> Self {
        let cells = matrix.features.iter().flat_map(|feature| matrix.tiers.iter().map(move |tier| (tier, feature)));
        let limits = cells
            .map(|(tier, feature)| {
                let (limit, version) = matrix.cell(&tier.id, &feature.id);
                FileCell { tier: tier.id.clone(), feature: feature.id.clone(), limit, version }
            })
            .collect();
        Self { limits }
    }
}

impl Import {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let file = &self.file;
        let text = fs::read_to_string(file).map_err(|problem| MatrixFileError::File { file: file.clone(), problem })?;
        let now = matrix::read(env).await?;
        let changes = match format_of(self.format, Some(file)) {
            Format::Csv => matrix_file::from_csv(&text, &now)
                .map_err(|lines| MatrixFileError::Lines { file: file.clone(), lines })?,
            Format::Json => {
                let read: File = serde_json::from_str(&text)
                    .map_err(|problem| MatrixFileError::Json { file: file.clone(), problem })?;
                let cells = read.limits.into_iter().map(|cell| CellChange {
                    tier: cell.tier,
                    feature: cell.feature,
                    limit: cell.limit,
                    version: cell.version,
                });
                // What is as wanted already is no change, whoever made it so.
                cells.filter(|change| now.cell(&change.tier, &change.feature).0 != change.limit).collect()
            }
        };
        if changes.is_empty() {
            return say("Nothing would change: the matrix is like the file already.");
        }
        let review = matrix::preview(env, &changes).await?;
        for line in lines(&review) {
            say(&line)?;
        }
        if !self.yes {
            return say("Nothing is changed yet. Run it again with --yes to change it.");
        }
        let done = matrix::commit(env, OPERATOR, &changes, &self.reason).await?;
        say(&words::changes_saved(Lang::En, done.cells))
    }
}

fn lines(review: &Review) -> Vec<String> {
    let mut lines: Vec<String> = review
        .changes
        .iter()
        .map(|change| {
            let (before, after) = (shown(change.before, change.kind), shown(change.after, change.kind));
            let who = match change.effect {
                Effect::Same => "no effect".to_owned(),
                effect => words::members_who(Lang::En, change.members, effect),
            };
            format!("{}\t{}\t{before} → {after}\t{who}", change.tier, change.feature)
        })
        .collect();
    lines.push(words::consequence(Lang::En, review));
    lines
}
