//! What somebody holds: symbols, how many of each, what they cost.
//!
//! Positions are typed into a form, pasted as lines, or come from a file; all three end here.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::domain::{
    amount::{Amount, AmountError, Spelling},
    csv::{self, Delimiter},
    lang::Lang,
};

/// The most positions of a portfolio.
pub const MOST_POSITIONS: usize = 500;
/// The most versions of a portfolio that are kept.
pub const MOST_VERSIONS: i64 = 100;
/// The longest symbol.
const LONGEST_SYMBOL: usize = 16;
/// How much of a line that cannot be read is kept, in characters, to be corrected.
const KEPT_OF_A_LINE: usize = 300;

/// The symbol of something that has a price: `AAPL`, `BRK.B`, `EURUSD=X`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "ssr", schema(value_type = String, pattern = "^[A-Z0-9.=^-]{1,16}$", example = "AAPL"))]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

/// A text that is no symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a symbol has 1 to 16 of A-Z, 0-9, . - ^ and =")]
pub struct BadSymbol;

impl FromStr for Symbol {
    type Err = BadSymbol;

    /// Reads a symbol in large or small letters.
    fn from_str(text: &str) -> Result<Self, BadSymbol> {
        let symbol = text.trim().to_ascii_uppercase();
        let is_allowed =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'^' | b'=');
        let is_symbol = (1..=LONGEST_SYMBOL).contains(&symbol.len())
            && symbol.bytes().all(is_allowed)
            && symbol.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if is_symbol { Ok(Self(symbol)) } else { Err(BadSymbol) }
    }
}

impl TryFrom<String> for Symbol {
    type Error = BadSymbol;

    fn try_from(text: String) -> Result<Self, BadSymbol> {
        text.parse()
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> String {
        symbol.0
    }
}

impl Symbol {
    /// Returns the symbol as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How many of a symbol somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Of what.
    pub symbol: Symbol,
    /// How many; more than zero.
    pub quantity: Amount,
    /// What all of them cost together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_basis: Option<Amount>,
    /// What one is worth; without it the stored quote counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
}

/// Why positions are no portfolio.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortfolioError {
    /// More than [`MOST_POSITIONS`].
    #[error("a portfolio has at most {MOST_POSITIONS} positions")]
    TooMany,
    /// None of something.
    #[error("the quantity of {0} must be more than 0")]
    NoQuantity(Symbol),
    /// The lots of something add up to what cannot be.
    #[error("the positions in {0} add up to more than 10,000,000,000")]
    TooLarge(Symbol),
}

/// Positions, each symbol once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Portfolio(Vec<Position>);

impl Portfolio {
    /// Checks positions, and makes one of those of the same symbol: quantities and costs are
    /// added up, and the last price counts. A cost that is missing anywhere is missing in the sum.
    pub fn new(positions: Vec<Position>) -> Result<Self, PortfolioError> {
        if positions.len() > MOST_POSITIONS {
            return Err(PortfolioError::TooMany);
        }
        let mut places: BTreeMap<Symbol, usize> = BTreeMap::new();
        let mut merged: Vec<Position> = Vec::with_capacity(positions.len());
        for position in positions {
            if position.quantity == Amount::ZERO {
                return Err(PortfolioError::NoQuantity(position.symbol));
            }
            if let Some(place) = places.get(&position.symbol) {
                let same = &mut merged[*place];
                same.quantity = same.quantity + position.quantity;
                same.cost_basis = same.cost_basis.zip(position.cost_basis).map(|(one, other)| one + other);
                same.price = position.price.or(same.price);
                // What is kept must be read again.
                if same.quantity > Amount::HIGHEST || same.cost_basis.is_some_and(|cost| cost > Amount::HIGHEST) {
                    return Err(PortfolioError::TooLarge(position.symbol));
                }
            } else {
                places.insert(position.symbol.clone(), merged.len());
                merged.push(position);
            }
        }
        Ok(Self(merged))
    }

    /// Returns the positions, in the order in which they were given.
    pub fn positions(&self) -> &[Position] {
        &self.0
    }

    /// Returns the symbols.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.0.iter().map(|position| position.symbol.clone()).collect()
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A position as somebody typed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypedPosition {
    /// The symbol.
    pub symbol: String,
    /// How many.
    pub quantity: String,
    /// What all cost together; empty if unknown.
    pub cost_basis: String,
    /// What one is worth; empty for the stored quote.
    pub price: String,
}

/// What is wrong with a typed position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// The symbol.
    #[error(transparent)]
    Symbol(#[from] BadSymbol),
    /// The quantity.
    #[error("quantity: {0}")]
    Quantity(AmountError),
    /// The cost basis.
    #[error("cost basis: {0}")]
    CostBasis(AmountError),
    /// The price.
    #[error("price: {0}")]
    Price(AmountError),
    /// The line itself.
    #[error(transparent)]
    Line(#[from] csv::Unclosed),
    /// There are [`MOST_POSITIONS`] already.
    #[error("a portfolio has at most {MOST_POSITIONS} positions")]
    TooMany,
}

impl TypedPosition {
    /// Writes a position so that [`TypedPosition::read`] reads it again in that language.
    pub fn of(position: &Position, lang: Lang) -> Self {
        let input = |amount: Option<Amount>| amount.map_or_else(String::new, |amount| amount.to_input(lang));
        Self {
            symbol: position.symbol.to_string(),
            quantity: position.quantity.to_input(lang),
            cost_basis: input(position.cost_basis),
            price: input(position.price),
        }
    }

    /// Returns whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        [&self.symbol, &self.quantity, &self.cost_basis, &self.price].iter().all(|field| field.trim().is_empty())
    }

    /// Reads it.
    pub fn read(&self, spelling: Spelling) -> Result<Position, PositionError> {
        let symbol = self.symbol.parse()?;
        let quantity = match Amount::parse(&self.quantity, spelling) {
            Ok(Amount::ZERO) => return Err(PositionError::Quantity(AmountError::Zero)),
            quantity => quantity.map_err(PositionError::Quantity)?,
        };
        let optional = |text: &str| match text.trim() {
            // How tables write that there is nothing.
            "" | "-" | "–" | "—" => Ok(None),
            text => Amount::parse(text, spelling).map(Some),
        };
        Ok(Position {
            symbol,
            quantity,
            cost_basis: optional(&self.cost_basis).map_err(PositionError::CostBasis)?,
            price: optional(&self.price).map_err(PositionError::Price)?,
        })
    }
}

/// A line that is no position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// What is wrong with it.
    pub problem: PositionError,
}

/// What a pasted text or a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pasted {
    /// The head that names the columns, if there is one.
    pub head: Option<String>,
    /// The positions that could be read.
    pub positions: Vec<Position>,
    /// The lines that could not.
    pub bad: Vec<BadLine>,
}

/// Which column holds what.
struct Columns {
    symbol: usize,
    quantity: usize,
    cost_basis: Option<usize>,
    price: Option<usize>,
}

/// How the columns stand where no head names them.
const USUAL_COLUMNS: Columns = Columns { symbol: 0, quantity: 1, cost_basis: Some(2), price: Some(3) };

impl Columns {
    /// Reads the head of a table; nothing if the line is none.
    fn of_head(fields: &[String]) -> Option<Self> {
        let names: Vec<String> = fields.iter().map(|field| csv::column_name(field)).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        Some(Self {
            symbol: find(&["symbol", "ticker", "tickersymbol", "wertpapier", "kürzel"])?,
            quantity: find(&["quantity", "qty", "shares", "units", "menge", "stück", "anzahl", "bestand"])?,
            cost_basis: find(&["costbasis", "totalcost", "cost", "einstandswert", "einstand", "kaufwert", "kosten"]),
            price: find(&["price", "lastprice", "currentprice", "kurs", "preis"]),
        })
    }
}

/// Reads positions from text: `AAPL 10 1500 180` a line, or a table with commas, semicolons or
/// tabs and perhaps a head. The order is symbol, quantity, cost basis, price unless the head says
/// otherwise.
pub fn read_positions(text: &str, lang: Lang) -> Pasted {
    let mut pasted = Pasted::default();
    let mut lines = csv::lines(text).peekable();
    let Some((_, first)) = lines.peek() else { return pasted };
    let delimiter = Delimiter::of(first);
    let spelling = match delimiter {
        // A file with commas between its fields has none in its numbers, but for those in quotes.
        Delimiter::Sign(',') => Spelling::Point,
        Delimiter::Sign(';') if lang == Lang::En => Spelling::Unknown,
        _ => lang.into(),
    };
    let head = delimiter.split(first).ok().and_then(|fields| Columns::of_head(&fields));
    if head.is_some() {
        pasted.head = lines.next().map(|(_, head)| kept(head));
    }
    let columns = head.unwrap_or(USUAL_COLUMNS);
    for (line, text) in lines {
        let read = if pasted.positions.len() == MOST_POSITIONS {
            Err(PositionError::TooMany)
        } else {
            delimiter.split(text).map_err(PositionError::from).and_then(|fields| {
                let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
                TypedPosition {
                    symbol: field(columns.symbol),
                    quantity: field(columns.quantity),
                    cost_basis: columns.cost_basis.map(field).unwrap_or_default(),
                    price: columns.price.map(field).unwrap_or_default(),
                }
                .read(spelling)
            })
        };
        match read {
            Ok(position) => pasted.positions.push(position),
            Err(problem) => {
                pasted.bad.push(BadLine { line, text: kept(text), problem });
                if problem == PositionError::TooMany {
                    break;
                }
            }
        }
    }
    pasted
}

/// Returns a line without what cannot be seen. Tabs stay: they separate.
fn kept(line: &str) -> String {
    line.trim_end().chars().filter(|c| *c == '\t' || !c.is_control()).take(KEPT_OF_A_LINE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(symbol: &str, quantity: &str, cost_basis: &str, price: &str) -> Position {
        let amount = |text: &str| (!text.is_empty()).then(|| text.parse().expect("an amount"));
        Position {
            symbol: symbol.parse().expect("a symbol"),
            quantity: amount(quantity).expect("a quantity"),
            cost_basis: amount(cost_basis),
            price: amount(price),
        }
    }

    #[test]
    fn symbols_are_short_and_plain() {
        for (text, expected) in [
            (" aapl ", "AAPL"),
            ("brk.b", "BRK.B"),
            ("^GSPC", "^GSPC"),
            ("EURUSD=X", "EURUSD=X"),
            ("BTC-USD", "BTC-USD"),
            ("7203", "7203"),
        ] {
            assert_eq!(text.parse::<Symbol>().map(String::from), Ok(expected.to_owned()), "{text}");
        }
        for bad in ["", " ", "A B", "A\nB", "AAPL;", "ÄÖ", "<b>", "--", "A".repeat(17).as_str()] {
            assert_eq!(bad.parse::<Symbol>(), Err(BadSymbol), "{bad}");
        }
    }

    #[test]
    fn lots_of_one_symbol_become_one_position() {
        let portfolio = Portfolio::new(vec![
            position("AAPL", "1", "100", "150"),
            position("VTI", "2", "200", ""),
            position("AAPL", "2.5", "300", "160"),
            position("VTI", "1", "", "90"),
        ]);
        let expected = [position("AAPL", "3.5", "400", "160"), position("VTI", "3", "", "90")];
        assert_eq!(portfolio.as_ref().map(Portfolio::positions), Ok(&expected[..]));
        let none = position("AAPL", "0", "", "");
        assert_eq!(Portfolio::new(vec![none.clone()]), Err(PortfolioError::NoQuantity(none.symbol)));
        let most = position("AAPL", "10000000000", "", "");
        assert!(Portfolio::new(vec![most.clone()]).is_ok());
        let more = vec![most, position("AAPL", "0.00000001", "", "")];
        assert_eq!(Portfolio::new(more.clone()), Err(PortfolioError::TooLarge(more[0].symbol.clone())));
        let costs = vec![position("AAPL", "1", "10000000000", ""), position("AAPL", "1", "1", "")];
        assert_eq!(Portfolio::new(costs.clone()), Err(PortfolioError::TooLarge(costs[0].symbol.clone())));
        let many = vec![position("AAPL", "1", "", ""); MOST_POSITIONS + 1];
        assert_eq!(Portfolio::new(many[1..].to_vec()).map(|portfolio| portfolio.0.len()), Ok(1));
        assert_eq!(Portfolio::new(many), Err(PortfolioError::TooMany));
    }

    #[test]
    fn pasted_lines_are_read_in_every_usual_form() {
        let expected = vec![position("AAPL", "10.5", "1500.25", "180"), position("VTI", "3", "", "")];
        for (lang, text) in [
            (Lang::En, "AAPL 10.5 1500.25 180\nVTI 3"),
            (Lang::De, "aapl 10,5 1.500,25 180\r\n\r\nvti 3\r\n"),
            (Lang::En, "AAPL\t10.5\t$1,500.25\t180\nVTI\t3\t\t"),
            (Lang::De, "AAPL;10,5;1.500,25 €;180\nVTI;3;-;-"),
            (Lang::En, "AAPL;10,5;1.500,25;180\nVTI;3"),
            (Lang::De, "AAPL,10.5,\"1,500.25\",180\nVTI,3,,"),
            (
                Lang::En,
                "\u{feff}Symbol,Name,Shares,Price,Cost Basis\n# lots\nAAPL,\"Apple, Inc\",10.5,180,1500.25\nVTI,Vanguard,3",
            ),
            (Lang::De, "Kürzel;Stück;Einstandswert;Kurs\nAAPL;10,5;1500,25;180,00\nVTI;3;;"),
        ] {
            let pasted = read_positions(text, lang);
            assert_eq!((pasted.positions, pasted.bad), (expected.clone(), vec![]), "{text}");
        }
        assert_eq!(read_positions(" \n# nothing\n", Lang::En), Pasted::default());
        let only_a_head = read_positions("symbol,quantity\n", Lang::En);
        assert_eq!(only_a_head, Pasted { head: Some("symbol,quantity".to_owned()), ..Pasted::default() });
    }

    #[test]
    fn bad_lines_are_told_by_number_and_the_others_are_kept() {
        let pasted =
            read_positions("symbol,quantity,price\nAAPL,1\n\nA B,1\nVTI,0\nVTI,x\nVTI,1,-5\n\"VTI,1\nVTI,2", Lang::En);
        let problems: Vec<_> = pasted.bad.iter().map(|bad| (bad.line, bad.text.as_str(), bad.problem)).collect();
        assert_eq!(
            problems,
            [
                (4, "A B,1", PositionError::Symbol(BadSymbol)),
                (5, "VTI,0", PositionError::Quantity(AmountError::Zero)),
                (6, "VTI,x", PositionError::Quantity(AmountError::Unreadable)),
                (7, "VTI,1,-5", PositionError::Price(AmountError::Negative)),
                (8, "\"VTI,1", PositionError::Line(csv::Unclosed)),
            ]
        );
        assert_eq!(pasted.positions, [position("AAPL", "1", "", ""), position("VTI", "2", "", "")]);
        for (lang, text) in [(Lang::De, "AAPL;1.234"), (Lang::En, "AAPL;1,234"), (Lang::De, "AAPL 1.234")] {
            let doubtful = read_positions(text, lang);
            assert_eq!(doubtful.bad[0].problem, PositionError::Quantity(AmountError::Ambiguous), "{text}");
        }
        let missing = read_positions("AAPL", Lang::De);
        assert_eq!(missing.bad[0].problem, PositionError::Quantity(AmountError::Missing));
    }

    #[test]
    fn there_is_an_end_to_positions() {
        let text = "AAPL 1\n".repeat(MOST_POSITIONS + 10);
        let pasted = read_positions(&text, Lang::En);
        assert_eq!((pasted.positions.len(), pasted.bad.len()), (MOST_POSITIONS, 1));
        assert_eq!((pasted.bad[0].line, pasted.bad[0].problem), (MOST_POSITIONS + 1, PositionError::TooMany));
    }

    proptest! {
        #[test]
        fn what_is_shown_in_the_form_is_read_back(quantity in 1i64..1_000_000_000_000_000, cost in 0i64..1_000_000_000_000_000) {
            let position = Position {
                quantity: Amount::from_units(quantity),
                cost_basis: Some(Amount::from_units(cost)),
                ..position("AAPL", "1", "", "")
            };
            for lang in Lang::ALL {
                let typed = TypedPosition::of(&position, lang);
                prop_assert_eq!(typed.read(lang.into()), Ok(position.clone()));
                let line = [typed.symbol, typed.quantity, typed.cost_basis].join("\t");
                prop_assert_eq!(read_positions(&line, lang).positions, vec![position.clone()]);
            }
        }

        #[test]
        fn no_text_breaks_it(text in "(.|\n){0,200}") {
            for lang in Lang::ALL {
                let pasted = read_positions(&text, lang);
                prop_assert!(pasted.positions.len() + pasted.bad.len() <= text.lines().count());
            }
        }
    }
}
