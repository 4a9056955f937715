//! Prices from a file, as an operator takes them in: the real program, and what it leaves in the
//! database.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use vouchsafe::store::{Db, quotes};

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Writes a file and imports it.
    fn import(&self, content: &[u8]) -> (i32, String, String) {
        fs::write(self.0.path().join("prices.csv"), content).unwrap();
        self.run("prices.csv")
    }

    fn run(&self, file: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(["quotes", "import", file]).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    async fn db(&self) -> Db {
        let path: &Path = self.0.path();
        Db::open(&format!("sqlite:{}", path.join("data/vouchsafe.db").display()), 2).await.unwrap()
    }

    /// Returns the newest prices, as `SYMBOL price currency name`.
    async fn prices(&self, symbols: &[&str]) -> Vec<String> {
        let symbols: Vec<_> = symbols.iter().map(|symbol| symbol.parse().unwrap()).collect();
        let db = self.db().await;
        let listed = quotes::list(&mut db.reader().await.unwrap().conn(), &symbols).await.unwrap();
        db.close().await;
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        listed
            .into_iter()
            .map(|quote| format!("{} {} {} {}", quote.symbol, quote.price, text(quote.currency), text(quote.name)))
            .collect()
    }

    /// Returns the number of closes that a symbol has.
    async fn closes(&self, symbol: &str) -> usize {
        let symbol = symbol.parse().unwrap();
        let db = self.db().await;
        let since = "1900-01-01".parse().unwrap();
        let history =
            quotes::list_daily(&mut db.reader().await.unwrap().conn(), std::slice::from_ref(&symbol), since).await;
        db.close().await;
        history.unwrap().get(&symbol).map_or(0, std::collections::BTreeMap::len)
    }
}

#[tokio::test]
async fn newest_prices_and_closes_are_taken_in() {
    let place = Place::new();
    let done = place.import(b"symbol,price,currency,name\nAAPL,180.25,USD,\"Apple, Inc\"\nvti,250\n");
    assert_eq!(done, (0, "2 row(s) imported\n".to_owned(), String::new()), "and no progress bar in a pipe");
    assert_eq!(place.prices(&["AAPL", "VTI"]).await, ["AAPL 180.25 USD Apple, Inc", "VTI 250 - -"]);

    let done = place
        .import(b"symbol,date,close\nAAPL,2020-01-03,75\nAAPL,2020-01-02,74\nBND,2020-01-03,80\nBND,2020-01-02,81\n");
    assert_eq!((done.0, done.1.as_str()), (0, "4 row(s) imported\n"));
    // An old close is no news; where nothing newer is known, the newest close is the price.
    assert_eq!(place.prices(&["AAPL", "BND"]).await, ["AAPL 180.25 USD Apple, Inc", "BND 80 - -"]);
    assert_eq!((place.closes("AAPL").await, place.closes("BND").await), (2, 2));

    assert_eq!(place.run("prices.csv").0, 0, "safe to repeat");
    assert_eq!(place.closes("AAPL").await, 2);
}

#[tokio::test]
async fn bad_lines_are_told_by_number_and_the_good_ones_are_kept() {
    let place = Place::new();
    let mut file =
        b"\xef\xbb\xbfsymbol,date,close\r\n\r\nAAPL,2020-01-02,74\r\nA B,2020-01-02,1\r\nAAPL,2020-13-02,1\r\n"
            .to_vec();
    file.extend(b"AAPL,2020-01-03,x\r\n\xff\xfe,2020-01-03,1\r\nAAPL,2020-01-04,-1\r\n\"AAPL,2020\r\nAAPL,2999-01-01,1\r\nAAPL,2020-01-06,75");
    let (code, out, err) = place.import(&file);
    assert_eq!((code, out.as_str()), (0, "2 row(s) imported, 7 left out\n"));
    let lines: Vec<&str> = err.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10"], "{err}");
    assert!(err.contains("line 5: the date is not a day like 2026-11-20: AAPL,2020-13-02,1\n"), "{err}");
    assert_eq!(place.closes("AAPL").await, 2);
}

#[tokio::test]
async fn a_large_file_is_taken_in_as_a_whole() {
    let place = Place::new();
    let first: chrono::NaiveDate = "2010-01-01".parse().unwrap();
    let mut file = String::from("symbol,date,close\n");
    for day in 0..2_500 {
        let day = first + chrono::TimeDelta::days(day);
        file.push_str(&format!("AAPL,{day},10.5\nVTI,{day},20.5\n"));
    }
    let (code, out, err) = place.import(file.as_bytes());
    assert_eq!((code, out.as_str(), err.as_str()), (0, "5000 row(s) imported\n", ""));
    assert_eq!((place.closes("AAPL").await, place.closes("VTI").await), (2_500, 2_500));
}

#[test]
fn a_file_that_brings_nothing_is_a_failure() {
    let place = Place::new();
    let (code, out, err) = place.run("missing.csv");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("vouchsafe: missing.csv cannot be read: "), "{err}");
    for (content, message) in [
        (&b""[..], "nothing in prices.csv could be imported"),
        (b"symbol,price\n", "nothing in prices.csv could be imported"),
        (b"symbol,price\nAAPL,0\n", "nothing in prices.csv could be imported"),
        (b"isin,open\nDE0007164600,soon\n", "nothing in prices.csv could be imported"),
        (b"symbol,open\nAAPL,1\n", "the head names no column for the symbol, or none for the price"),
        (b"\x00\x01\x02\xff", "nothing in prices.csv could be imported"),
    ] {
        let (code, out, err) = place.import(content);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(message), "{err}");
    }
    assert_eq!(place.run(".").0, 1, "a folder is no file");
}
