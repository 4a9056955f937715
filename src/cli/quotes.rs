//! `vouchsafe quotes import FILE`

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::{CliError, OPERATOR, say},
    domain::{
        csv::says_something,
        quotes::{QuoteRow, QuoteTable, UnknownColumns},
    },
    platform::env::Env,
    services::quotes,
};

/// How many rows are kept in one transaction.
const TOGETHER: usize = 1_000;
/// How much of a bad line is shown, in characters.
const SHOWN_OF_A_LINE: usize = 60;

#[derive(Debug, Subcommand)]
pub(super) enum Quotes {
    /// Take in prices: symbol,date,close for closes, or symbol,price,currency,name for the newest
    #[command(after_help = "Columns: symbol,date,close brings one close a line; the newest of a symbol is its newest \
        price, too.\nsymbol,price[,currency][,name] brings the newest prices, of today. A head may name the columns in \
        any order;\nothers are ignored. Commas, semicolons or tabs separate. Days are written 2026-11-20.\n\n\
        Lines that cannot be read are reported by their number and left out; the others are kept. A file may be\nimported \
        again: what is there already is replaced. The exit code is 1 only if nothing could be imported.")]
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
}

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("{} cannot be read: {problem}", file.display())]
    Unreadable { file: PathBuf, problem: io::Error },
    #[error("{}: {problem}", file.display())]
    Columns { file: PathBuf, problem: UnknownColumns },
    #[error("nothing in {} could be imported", .0.display())]
    Nothing(PathBuf),
}

impl Quotes {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Import(Import { file }) => import(env, &file).await,
        }
    }
}

async fn import(env: &Env, path: &Path) -> Result<(), CliError> {
    let unreadable = |problem| ImportError::Unreadable { file: path.to_owned(), problem };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    // Drawn on stderr, and only on a terminal.
    let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}").expect("a literal template");
    let progress = ProgressBar::new(length).with_style(style);
    let mut reader = BufReader::new(file);
    let today = env.clock.now().date_naive();
    let (mut number, mut kept, mut left_out) = (0usize, 0usize, 0usize);
    let mut table: Option<QuoteTable> = None;
    let mut rows: Vec<QuoteRow> = Vec::with_capacity(TOGETHER);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(unreadable)?;
        if read > 0 {
            number += 1;
            progress.inc(read as u64);
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if says_something(text.trim_start_matches('\u{feff}')) {
                let layout = match table {
                    Some(layout) => layout,
                    None => {
                        let (layout, is_head) = QuoteTable::of(text)
                            .map_err(|problem| ImportError::Columns { file: path.to_owned(), problem })?;
                        table = Some(layout);
                        if is_head {
                            continue;
                        }
                        layout
                    }
                };
                match layout.read(text, today) {
                    Ok(row) => rows.push(row),
                    Err(problem) => {
                        left_out += 1;
                        let shown: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_OF_A_LINE).collect();
                        progress.suspend(|| eprintln!("line {number}: {problem}: {shown}"));
                    }
                }
            }
        }
        if rows.len() == TOGETHER || (read == 0 && !rows.is_empty()) {
            quotes::import(env, &rows, OPERATOR).await?;
            kept += rows.len();
            rows.clear();
        }
        if read == 0 {
            break;
        }
    }
    progress.finish_and_clear();
    if kept == 0 {
        return Err(ImportError::Nothing(path.to_owned()).into());
    }
    let left_out = if left_out > 0 { format!(", {left_out} left out") } else { String::new() };
    say(&format!("{kept} row(s) imported{left_out}"))
}
