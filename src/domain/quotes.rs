//! Prices: the newest of a symbol, and its closes day by day, read from an operator's file.
//!
//! Two kinds of table: `symbol,date,close` brings closes, `symbol,price,currency,name` brings the
//! newest prices; currency and name may be left out. A head may name the columns in any order.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use crate::domain::{
    amount::{Amount, AmountError, Spelling},
    csv::{self, Delimiter, column_name},
    portfolio::{BadSymbol, Symbol},
};

/// The longest name of what a symbol stands for, in characters.
const LONGEST_NAME: usize = 100;
/// No day before the first of this year has a close worth keeping.
const FIRST_YEAR: i32 = 1900;

/// The newest price of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Of what.
    pub symbol: Symbol,
    /// What one is worth; more than zero.
    pub price: Amount,
    /// In which currency, as three letters, if that is known.
    pub currency: Option<String>,
    /// What the symbol stands for, if that is known.
    pub name: Option<String>,
    /// Of which day.
    pub quoted_on: NaiveDate,
}

/// The last price of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyClose {
    /// Of what.
    pub symbol: Symbol,
    /// The day.
    pub day: NaiveDate,
    /// What one was worth; more than zero.
    pub close: Amount,
}

/// Closes by symbol and day.
pub type History = BTreeMap<Symbol, BTreeMap<NaiveDate, Amount>>;

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuoteRow {
    /// A newest price.
    Quote(Quote),
    /// A close.
    Daily(DailyClose),
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRowError {
    /// The symbol.
    #[error(transparent)]
    Symbol(#[from] BadSymbol),
    /// The price.
    #[error("price: {0}")]
    Price(AmountError),
    /// The day is none.
    #[error("the date is not a day like 2026-11-20")]
    Date,
    /// The day has not come yet.
    #[error("the date is in the future")]
    Future,
    /// The currency is none.
    #[error("a currency has three letters")]
    Currency,
    /// The name is none.
    #[error("a name has at most {LONGEST_NAME} characters, in one line")]
    Name,
    /// The line itself.
    #[error(transparent)]
    Line(#[from] csv::Unclosed),
}

/// A file whose head names no symbol, or no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the head names no column for the symbol, or none for the price (symbol,date,close or symbol,price,currency,name)"
)]
pub struct UnknownColumns;

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteTable {
    delimiter: Delimiter,
    symbol: usize,
    price: usize,
    day: Option<usize>,
    currency: Option<usize>,
    name: Option<usize>,
}

impl QuoteTable {
    /// Guesses the layout from the first line that says something. Returns also whether that line
    /// is a head, and not a row.
    pub fn of(first_line: &str) -> Result<(Self, bool), UnknownColumns> {
        let first_line = first_line.strip_prefix('\u{feff}').unwrap_or(first_line);
        let delimiter = Delimiter::of(first_line);
        let fields = delimiter.split(first_line).unwrap_or_default();
        let names: Vec<String> = fields.iter().map(|field| column_name(field)).collect();
        let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        // Something may be called CLOSE; but a row has a number, and a head has none.
        let has_number = fields.iter().any(|field| Amount::parse(field, Spelling::Unknown).is_ok());
        let is_head = !has_number && find(&["symbol", "ticker", "date", "close", "price", "kurs"]).is_some();
        if is_head {
            let table = Self {
                delimiter,
                symbol: find(&["symbol", "ticker"]).ok_or(UnknownColumns)?,
                price: find(&["close", "price", "kurs", "schlusskurs"]).ok_or(UnknownColumns)?,
                day: find(&["date", "day", "datum"]),
                currency: find(&["currency", "währung"]),
                name: find(&["name"]),
            };
            return Ok((table, true));
        }
        let has_day = fields.get(1).is_some_and(|field| parse_day(field).is_some());
        let table = if has_day {
            Self { delimiter, symbol: 0, day: Some(1), price: 2, currency: None, name: None }
        } else {
            Self { delimiter, symbol: 0, day: None, price: 1, currency: Some(2), name: Some(3) }
        };
        Ok((table, false))
    }

    /// Reads a row. A price without a day is one of `today`; no day may be later.
    pub fn read(&self, line: &str, today: NaiveDate) -> Result<QuoteRow, QuoteRowError> {
        let fields = self.delimiter.split(line.strip_prefix('\u{feff}').unwrap_or(line))?;
        let field = |at: usize| fields.get(at).map(String::as_str).unwrap_or_default();
        let symbol: Symbol = field(self.symbol).parse()?;
        let spelling = if self.delimiter == Delimiter::Sign(',') { Spelling::Point } else { Spelling::Unknown };
        let price = match Amount::parse(field(self.price), spelling) {
            Ok(Amount::ZERO) => return Err(QuoteRowError::Price(AmountError::Zero)),
            price => price.map_err(QuoteRowError::Price)?,
        };
        if let Some(at) = self.day {
            let day = parse_day(field(at)).ok_or(QuoteRowError::Date)?;
            if day > today {
                return Err(QuoteRowError::Future);
            }
            return Ok(QuoteRow::Daily(DailyClose { symbol, day, close: price }));
        }
        let given = |column: Option<usize>| column.map(field).filter(|text| !text.is_empty()).map(str::to_owned);
        let currency = given(self.currency).map(|currency| currency.to_ascii_uppercase());
        if currency.as_ref().is_some_and(|text| text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            return Err(QuoteRowError::Currency);
        }
        let name = given(self.name);
        if name.as_ref().is_some_and(|name| name.chars().count() > LONGEST_NAME || name.contains(char::is_control)) {
            return Err(QuoteRowError::Name);
        }
        Ok(QuoteRow::Quote(Quote { symbol, price, currency, name, quoted_on: today }))
    }
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    // chrono would also take +2026-1-2.
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = is_plain.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
    day.filter(|day| day.year() >= FIRST_YEAR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn today() -> NaiveDate {
        day("2026-11-21")
    }

    fn symbol(text: &str) -> Symbol {
        text.parse().expect("a symbol")
    }

    fn amount(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    fn daily(of: &str, on: &str, close: &str) -> QuoteRow {
        QuoteRow::Daily(DailyClose { symbol: symbol(of), day: day(on), close: amount(close) })
    }

    fn quote(of: &str, price: &str, currency: Option<&str>, name: Option<&str>) -> QuoteRow {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (symbol, price) = (symbol(of), amount(price));
        QuoteRow::Quote(Quote { symbol, price, currency: text(currency), name: text(name), quoted_on: today() })
    }

    fn read(text: &str) -> Vec<Result<QuoteRow, QuoteRowError>> {
        let lines: Vec<&str> = text.lines().collect();
        let (table, is_head) = QuoteTable::of(lines[0]).expect("a table");
        lines[usize::from(is_head)..].iter().map(|line| table.read(line, today())).collect()
    }

    #[test]
    fn both_tables_are_read_with_a_head_and_without() {
        let closes = vec![Ok(daily("AAPL", "2026-11-19", "180.25")), Ok(daily("BRK.B", "2026-11-20", "1234.5"))];
        for text in [
            "AAPL,2026-11-19,180.25\nBRK.B,2026-11-20,\"1,234.50\"",
            "symbol,date,close\naapl,2026-11-19,180.25\nbrk.b,2026-11-20,1234.5",
            "\u{feff}Date,Open,Close,Volume,Ticker\n2026-11-19,1,180.25,7,AAPL\n2026-11-20,1,1234.5,7,BRK.B",
            "Symbol;Datum;Schlusskurs\nAAPL;2026-11-19;180,25\nBRK.B;2026-11-20;1.234,50",
        ] {
            assert_eq!(read(text), closes, "{text}");
        }
        let quotes =
            vec![Ok(quote("AAPL", "180.25", Some("USD"), Some("Apple, Inc"))), Ok(quote("VTI", "3", None, None))];
        for text in [
            "AAPL,180.25,usd,\"Apple, Inc\"\nVTI,3",
            "symbol,price,currency,name\nAAPL,180.25,USD,\"Apple, Inc\"\nVTI,3,,",
            "name,price,symbol,currency\n\"Apple, Inc\",180.25,AAPL,USD\n,3,VTI",
        ] {
            assert_eq!(read(text), quotes, "{text}");
        }
    }

    #[test]
    fn rows_that_make_no_sense_are_refused() {
        let problem = |text: &str| read(text).pop().expect("a row").expect_err(text);
        assert_eq!(read("CLOSE,2026-11-19,70"), [Ok(daily("CLOSE", "2026-11-19", "70"))]);
        assert_eq!(problem("symbol,date,close\nA B,2026-11-19,1"), QuoteRowError::Symbol(BadSymbol));
        for bad in ["2026-13-01", "20.11.2026", "2026-1-2", "", "1492-10-12", "+2026-01-1"] {
            assert_eq!(problem(&format!("symbol,date,close\nA,{bad},1")), QuoteRowError::Date, "{bad}");
        }
        assert_eq!(problem("symbol,date,close\nA,2026-11-22,1"), QuoteRowError::Future);
        assert_eq!(problem("symbol,price\nA,0"), QuoteRowError::Price(AmountError::Zero));
        assert_eq!(problem("symbol,price\nA"), QuoteRowError::Price(AmountError::Missing));
        assert_eq!(problem("symbol,price\nA,-1"), QuoteRowError::Price(AmountError::Negative));
        assert_eq!(problem("symbol;price\nA;1.234"), QuoteRowError::Price(AmountError::Ambiguous));
        assert_eq!(problem("symbol,price,currency\nA,1,EURO"), QuoteRowError::Currency);
        assert_eq!(problem(&format!("A,1,EUR,{}", "x".repeat(101))), QuoteRowError::Name);
        assert_eq!(problem("symbol,price\n\"A,1"), QuoteRowError::Line(csv::Unclosed));
        for head in ["symbol,open", "date,close", "ticker"] {
            assert_eq!(QuoteTable::of(head), Err(UnknownColumns), "{head}");
        }
    }

    proptest! {
        #[test]
        fn no_line_breaks_it(first in ".{0,80}", line in ".{0,80}") {
            if let Ok((table, _)) = QuoteTable::of(&first) {
                let _ = table.read(&line, today());
            }
        }
    }
}
