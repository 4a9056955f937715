//! Words of /portfolio.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        amount::{Amount, AmountError},
        analysis::{Concentration, FEWEST_DAYS, Figures, Gain, Risk},
        entitlement::Decision,
        lang::Lang,
        limit::Limit,
        period::ResetPeriod,
        portfolio::{PortfolioError, PositionError},
    },
    words::{long_date, monthly_price, number, phrases},
};

phrases! {
    portfolio: "Portfolio" | "Portfolio";
    portfolio_intro:
        "What you hold, what it is worth, and how it is spread. Only you see it." |
        "Was Sie halten, was es wert ist und wie es verteilt ist. Nur Sie sehen es.";
    positions: "Positions" | "Positionen";
    positions_hint:
        "Empty a row to remove it. Without a price, the stored one counts. The cost is what all of it cost together." |
        "Leeren Sie eine Zeile, um sie zu entfernen. Ohne Kurs gilt der gespeicherte. Der Kaufwert gilt für alle zusammen.";
    symbol: "Symbol" | "Kürzel";
    quantity: "Quantity" | "Anzahl";
    cost_basis: "Cost in all" | "Kaufwert gesamt";
    price_of_one: "Price" | "Kurs";
    more_rows: "More rows" | "Mehr Zeilen";
    paste_or_import: "Paste or import" | "Einfügen oder importieren";
    pasted_lines: "Lines" | "Zeilen";
    pasted_hint:
        "One position a line, as AAPL 10 1500 180: symbol, quantity, cost in all, price. Or a table with commas, semicolons or tabs." |
        "Eine Position je Zeile, wie AAPL 10 1500 180: Kürzel, Anzahl, Kaufwert gesamt, Kurs. Oder eine Tabelle mit Kommas, Semikolons oder Tabulatoren.";
    csv_file: "CSV file" | "CSV-Datei";
    replace_rows: "Replace the rows above" | "Die Zeilen oben ersetzen";
    read_in: "Read in" | "Einlesen";
    portfolio_saved: "Your portfolio is saved." | "Ihr Portfolio ist gespeichert.";
    restore_undone: "The restore was taken back." | "Die Wiederherstellung wurde zurückgenommen.";
    nothing_read: "There was nothing to read in." | "Es gab nichts einzulesen.";
    nothing_saved_yet: "Nothing is saved yet: check the rows, then save." | "Noch ist nichts gespeichert: Prüfen Sie die Zeilen und speichern Sie dann.";
    check_the_rows: "Some rows cannot be saved as they are. What is wrong stands below each." | "Einige Zeilen lassen sich so nicht speichern. Was nicht stimmt, steht darunter.";
    no_positions: "No positions yet. Type them below, or paste a table." | "Noch keine Positionen. Geben Sie sie unten ein oder fügen Sie eine Tabelle ein.";
    amounts_to: "What it amounts to" | "Was es ergibt";
    worth: "Value" | "Wert";
    gain: "Gain or loss" | "Gewinn oder Verlust";
    share: "Share" | "Anteil";
    shares: "Shares" | "Anteile";
    spread_like: "Spread like" | "Verteilt wie";
    volatility: "Swings a year" | "Schwankung im Jahr";
    max_drawdown: "Deepest fall" | "Tiefster Fall";
    as_a_table: "All figures as a table" | "Alle Zahlen als Tabelle";
    unknown_cost: "cost unknown" | "Kaufwert unbekannt";
    analysis: "Analysis" | "Analyse";
    analysis_intro:
        "A commentary on your figures in plain words: how it is spread, what it gained, how it swung." |
        "Ein Kommentar zu Ihren Zahlen in einfachen Worten: wie es verteilt ist, was es gewonnen hat, wie es schwankte.";
    analyze: "Analyze" | "Analysieren";
    analyze_saved_hint: "What is saved is analyzed, not what is only typed." | "Analysiert wird, was gespeichert ist, nicht was nur eingetippt ist.";
    question: "Question" | "Frage";
    question_hint: "Optional, at most 500 characters." | "Freiwillig, höchstens 500 Zeichen.";
    question_too_long: "A question has at most 500 characters. Shorten it." | "Eine Frage hat höchstens 500 Zeichen. Kürzen Sie sie.";
    nothing_to_analyze: "There is nothing to analyze yet: save a position with a price first." | "Es gibt noch nichts zu analysieren: Speichern Sie zuerst eine Position mit Kurs.";
    analysis_failed:
        "The analysis did not succeed, and was not counted. Try again in a moment." |
        "Die Analyse ist nicht gelungen und wurde nicht gezählt. Versuchen Sie es gleich noch einmal.";
    written_by_model: "Written by a language model; it can be wrong. This is no advice." | "Von einem Sprachmodell geschrieben; es kann irren. Das ist keine Beratung.";
    written_built_in: "Written from your figures. This is no advice." | "Aus Ihren Zahlen geschrieben. Das ist keine Beratung.";
    analysis_is_paid: "Analyses are for paid tiers. There are three ways to get them:" | "Analysen gehören zu den bezahlten Stufen. Drei Wege führen dorthin:";
    analysis_not_in_tier: "Your tier brings no analyses. There are three ways to get them:" | "Ihre Stufe enthält keine Analysen. Drei Wege führen dorthin:";
    by_subscription: "Subscribe." | "Abonnieren.";
    by_invitation: "Invite a friend:" | "Einen Freund einladen:";
    by_coupon: "Redeem a coupon, if somebody gave you one." | "Einen Gutschein einlösen, wenn Sie einen bekommen haben.";
    calls_used_up: "All analyses of this period are used." | "Alle Analysen dieses Zeitraums sind verbraucht.";
    no_calls_limit: "As many analyses as you like." | "So viele Analysen, wie Sie möchten.";
    versions: "Versions" | "Versionen";
    versions_hint: "Every save is kept, up to a hundred." | "Jeder Stand wird aufbewahrt, bis zu hundert.";
    current_version: "current" | "aktuell";
    look_and_restore: "Look and restore" | "Ansehen und wiederherstellen";
    earlier_versions: "Earlier versions" | "Frühere Versionen";
    restore: "Restore" | "Wiederherstellen";
    restore_hint:
        "Restoring makes a new version that holds what this one held. Nothing is lost, and you can take it back." |
        "Die Wiederherstellung legt eine neue Version mit diesem Inhalt an. Nichts geht verloren, und Sie können sie zurücknehmen.";
    is_current_version: "This is what is saved now." | "Das ist der jetzige Stand.";
    no_such_version: "That version is not there any more." | "Diese Version gibt es nicht mehr.";
    changed_meanwhile:
        "Your portfolio was changed meanwhile, in another window perhaps. Look again before you restore." |
        "Ihr Portfolio wurde inzwischen geändert, vielleicht in einem anderen Fenster. Sehen Sie noch einmal hin, bevor Sie wiederherstellen.";
    portfolio_conflict: "Saved elsewhere meanwhile" | "Inzwischen anderswo gespeichert";
    portfolio_conflict_intro:
        "Another window or device saved your portfolio after you opened the page. Nothing is lost: choose which one counts." |
        "Ein anderes Fenster oder Gerät hat Ihr Portfolio gespeichert, nachdem Sie die Seite geöffnet haben. Nichts ist verloren: Wählen Sie, welches gilt.";
    what_is_saved: "What is saved" | "Was gespeichert ist";
    what_you_typed: "What you typed" | "Was Sie eingegeben haben";
    save_mine: "Save what I typed" | "Meine Eingaben speichern";
    keep_saved: "Keep what is saved" | "Gespeichertes behalten";
    empty_portfolio: "Nothing." | "Nichts.";
}

/// An amount of money, to the cent: “1,234.50”.
pub fn money(lang: Lang, amount: Amount) -> String {
    amount.to_text(lang, 2..=2)
}

/// A quantity or a price, with all its places: “0.125”.
pub fn exact(lang: Lang, amount: Amount) -> String {
    amount.to_text(lang, 0..=8)
}

/// A share from 0 to 1 as percent with one place: “12.5%”.
pub fn percent(lang: Lang, share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match lang {
        Lang::En => format!("{text}%"),
        Lang::De => format!("{}\u{a0}%", text.replace('.', ",")),
    }
}

/// A gain with its sign and percent: “+600.00 (17.6%)”.
pub fn gain_text(lang: Lang, gain: &Gain) -> String {
    let sign = if gain.absolute > Amount::ZERO { "+" } else { "" };
    let rate = gain.percent.map(|rate| format!(" ({})", percent(lang, rate.abs() / 100.0))).unwrap_or_default();
    format!("{sign}{}{rate}", money(lang, gain.absolute))
}

/// “2.8 equal positions”.
pub fn equal_positions(lang: Lang, concentration: &Concentration) -> String {
    let count = format!("{:.1}", concentration.effective_positions);
    match lang {
        Lang::En => format!("{count} equal positions"),
        Lang::De => format!("{} gleich große", count.replace('.', ",")),
    }
}

/// The days on which figures of risk rest.
pub fn risk_days(lang: Lang, risk: Option<&Risk>) -> String {
    match (lang, risk) {
        (Lang::En, Some(risk)) => {
            let (from, to) = (long_date(lang, risk.from), long_date(lang, risk.to));
            format!("Swings and falls over {} trading days, {from} to {to}, with today's quantities.", risk.days)
        }
        (Lang::De, Some(risk)) => {
            let (from, to) = (long_date(lang, risk.from), long_date(lang, risk.to));
            format!("Schwankung und Fall über {} Handelstage, {from} bis {to}, mit den heutigen Anzahlen.", risk.days)
        }
        (Lang::En, None) => {
            format!("Too little history to tell how it swings: {FEWEST_DAYS} days in common are needed.")
        }
        (Lang::De, None) => {
            format!("Zu wenig Verlauf für Aussagen über Schwankungen: Nötig sind {FEWEST_DAYS} gemeinsame Tage.")
        }
    }
}

/// What has no price, or is in several currencies; nothing if neither.
pub fn gaps(lang: Lang, figures: &Figures) -> Vec<String> {
    let mut gaps = Vec::new();
    if !figures.unpriced.is_empty() {
        let symbols = figures.unpriced.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        gaps.push(match lang {
            Lang::En => format!("Without a price, and left out: {symbols}."),
            Lang::De => format!("Ohne Kurs und nicht mitgerechnet: {symbols}."),
        });
    }
    if figures.currencies.len() > 1 {
        let currencies = figures.currencies.join(", ");
        gaps.push(match lang {
            Lang::En => format!("Prices are in {currencies} and are added up without converting them."),
            Lang::De => format!("Die Kurse sind in {currencies} und werden ohne Umrechnung addiert."),
        });
    }
    gaps
}

/// What the chart shows, in words: “Shares: AAPL 45.0%, VTI 25.0%”.
pub fn chart_text(lang: Lang, bars: &[(String, f64)]) -> String {
    let bars = bars.iter().map(|(name, share)| format!("{name} {}", percent(lang, *share)));
    format!("{}: {}", shares(lang), bars.collect::<Vec<_>>().join(", "))
}

/// The bar of all that is too small for one of its own: “12 more”.
pub fn others(lang: Lang, count: usize) -> String {
    match lang {
        Lang::En => format!("{count} more"),
        Lang::De => format!("{count} weitere"),
    }
}

/// The label of an input: “Symbol, row 3”.
pub fn in_row(lang: Lang, field: &str, row: usize) -> String {
    match lang {
        Lang::En => format!("{field}, row {row}"),
        Lang::De => format!("{field}, Zeile {row}"),
    }
}

/// “3 positions”.
pub fn positions_count(lang: Lang, count: usize) -> String {
    let text = number(lang, i64::try_from(count).unwrap_or(i64::MAX));
    match (lang, count) {
        (Lang::En, 1) => "1 position".to_owned(),
        (Lang::En, _) => format!("{text} positions"),
        (Lang::De, 1) => "1 Position".to_owned(),
        (Lang::De, _) => format!("{text} Positionen"),
    }
}

/// What was read in: “3 positions were read in, 1 line was not.”
pub fn read_in_result(lang: Lang, read: usize, bad: usize) -> String {
    let positions = positions_count(lang, read);
    match (lang, read, bad) {
        (Lang::En, 1, 0) => format!("{positions} was read in."),
        (Lang::En, _, 0) => format!("{positions} were read in."),
        (Lang::En, _, 1) => format!("{positions} read in, 1 line not."),
        (Lang::En, ..) => format!("{positions} read in, {bad} lines not."),
        (Lang::De, _, 0) => format!("{positions} eingelesen."),
        (Lang::De, _, 1) => format!("{positions} eingelesen, 1 Zeile nicht."),
        (Lang::De, ..) => format!("{positions} eingelesen, {bad} Zeilen nicht."),
    }
}

/// “Line 4: the symbol …”, and what the line says.
pub fn bad_line(lang: Lang, line: usize, problem: PositionError) -> String {
    let problem = position_error(lang, problem);
    match lang {
        Lang::En => format!("Line {line}: {problem}"),
        Lang::De => format!("Zeile {line}: {problem}"),
    }
}

/// “… and 12 more lines.”
pub fn more_bad_lines(lang: Lang, count: usize) -> String {
    match lang {
        Lang::En => format!("… and {count} more."),
        Lang::De => format!("… und {count} weitere."),
    }
}

/// What is wrong with a position, and what to do.
pub fn position_error(lang: Lang, error: PositionError) -> String {
    let (field, problem) = match error {
        PositionError::Symbol(_) => {
            return match lang {
                Lang::En => "A symbol has 1 to 16 of the letters A–Z, digits, and . - ^ =",
                Lang::De => "Ein Kürzel hat 1 bis 16 der Buchstaben A–Z, Ziffern und . - ^ =",
            }
            .to_owned();
        }
        PositionError::Line(_) => {
            return match lang {
                Lang::En => "A quotation mark is not closed.",
                Lang::De => "Ein Anführungszeichen ist nicht geschlossen.",
            }
            .to_owned();
        }
        PositionError::TooMany => return portfolio_error(lang, &PortfolioError::TooMany),
        PositionError::Quantity(problem) => (quantity(lang), problem),
        PositionError::CostBasis(problem) => (cost_basis(lang), problem),
        PositionError::Price(problem) => (price_of_one(lang), problem),
    };
    format!("{field}: {}", amount_error(lang, problem))
}

fn amount_error(lang: Lang, error: AmountError) -> &'static str {
    match (lang, error) {
        (Lang::En, AmountError::Missing) => "enter a number.",
        (Lang::De, AmountError::Missing) => "Geben Sie eine Zahl ein.",
        (Lang::En, AmountError::Unreadable) => "that is not a number.",
        (Lang::De, AmountError::Unreadable) => "Das ist keine Zahl.",
        (Lang::En, AmountError::Ambiguous) => "that can be read in two ways; leave out what separates thousands.",
        (Lang::De, AmountError::Ambiguous) => "Das lässt sich auf zwei Arten lesen; lassen Sie den Tausenderpunkt weg.",
        (Lang::En, AmountError::Negative) => "below zero is not possible.",
        (Lang::De, AmountError::Negative) => "Weniger als null geht nicht.",
        (Lang::En, AmountError::Zero) => "it must be more than zero.",
        (Lang::De, AmountError::Zero) => "Es muss mehr als null sein.",
        (Lang::En, AmountError::TooLarge) => "at most 10,000,000,000 is possible.",
        (Lang::De, AmountError::TooLarge) => "Höchstens 10.000.000.000 ist möglich.",
    }
}

/// Why positions are no portfolio.
pub fn portfolio_error(lang: Lang, error: &PortfolioError) -> String {
    match (lang, error) {
        (Lang::En, PortfolioError::TooMany) => "A portfolio has at most 500 positions.".to_owned(),
        (Lang::De, PortfolioError::TooMany) => "Ein Portfolio hat höchstens 500 Positionen.".to_owned(),
        (Lang::En, PortfolioError::NoQuantity(symbol)) => format!("The quantity of {symbol} must be more than zero."),
        (Lang::De, PortfolioError::NoQuantity(symbol)) => format!("Die Anzahl von {symbol} muss mehr als null sein."),
        (Lang::En, PortfolioError::TooLarge(symbol)) => {
            format!("The rows of {symbol} add up to more than 10,000,000,000.")
        }
        (Lang::De, PortfolioError::TooLarge(symbol)) => {
            format!("Die Zeilen von {symbol} ergeben zusammen mehr als 10.000.000.000.")
        }
    }
}

/// “Version 3”, in both languages.
pub fn version(number: i64) -> String {
    format!("Version {number}")
}

/// Where a version came from.
pub fn restored_from(lang: Lang, number: i64) -> String {
    match lang {
        Lang::En => format!("restored from version {number}"),
        Lang::De => format!("wiederhergestellt aus Version {number}"),
    }
}

/// “Version 1 is restored.”
pub fn version_restored(lang: Lang, number: i64) -> String {
    match lang {
        Lang::En => format!("Version {number} is restored."),
        Lang::De => format!("Version {number} ist wiederhergestellt."),
    }
}

/// “Premium: €9.99 a month, as many analyses as you like”.
pub fn offer(lang: Lang, tier: &str, cents: i64, limit: Limit, period: ResetPeriod) -> String {
    let price = monthly_price(lang, cents);
    let each = match (lang, period) {
        (_, ResetPeriod::Never) => "",
        (Lang::En, ResetPeriod::Hourly) => " an hour",
        (Lang::De, ResetPeriod::Hourly) => " in der Stunde",
        (Lang::En, ResetPeriod::Daily) => " a day",
        (Lang::De, ResetPeriod::Daily) => " am Tag",
        (Lang::En, ResetPeriod::Weekly) => " a week",
        (Lang::De, ResetPeriod::Weekly) => " in der Woche",
        (Lang::En, ResetPeriod::Monthly) => " a month",
        (Lang::De, ResetPeriod::Monthly) => " im Monat",
        (Lang::En, ResetPeriod::Yearly) => " a year",
        (Lang::De, ResetPeriod::Yearly) => " im Jahr",
    };
    match (lang, limit) {
        (Lang::En, Limit::Unlimited) => format!("{tier}, {price} a month: as many analyses as you like"),
        (Lang::De, Limit::Unlimited) => format!("{tier}, {price} im Monat: so viele Analysen, wie Sie möchten"),
        (Lang::En, Limit::At(1)) => format!("{tier}, {price} a month: 1 analysis{each}"),
        (Lang::De, Limit::At(1)) => format!("{tier}, {price} im Monat: 1 Analyse{each}"),
        (Lang::En, Limit::At(count)) => format!("{tier}, {price} a month: {} analyses{each}", number(lang, count)),
        (Lang::De, Limit::At(count)) => format!("{tier}, {price} im Monat: {} Analysen{each}", number(lang, count)),
    }
}

/// How many analyses are left, and when there are new ones.
pub fn calls_left(lang: Lang, decision: &Decision) -> String {
    let (Some(limit), Some(left)) = (decision.limit, decision.remaining) else {
        return no_calls_limit(lang).to_owned();
    };
    let (left, limit) = (number(lang, left), number(lang, limit));
    let text = match lang {
        Lang::En => format!("{left} of {limit} analyses left."),
        Lang::De => format!("Noch {left} von {limit} Analysen."),
    };
    match decision.resets_at {
        Some(at) => format!("{text} {}", new_ones_on(lang, at)),
        None => text,
    }
}

fn new_ones_on(lang: Lang, at: DateTime<Utc>) -> String {
    let date = long_date(lang, at.date_naive());
    match lang {
        Lang::En => format!("New ones on {date}."),
        Lang::De => format!("Neue gibt es am {date}."),
    }
}

/// “About version 2”: that words are about an earlier version.
pub fn about_version(lang: Lang, number: i64) -> String {
    match lang {
        Lang::En => format!("About version {number}, which has changed since."),
        Lang::De => format!("Über Version {number}, die sich seitdem geändert hat."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        let amount = |text: &str| text.parse::<Amount>().expect("an amount");
        let gain = |more: Amount, percent| Gain { cost_basis: amount("100"), absolute: more, percent };
        assert_eq!(gain_text(Lang::En, &gain(amount("1234.5"), Some(12.34))), "+1,234.50 (12.3%)");
        let loss = Amount::ZERO - amount("0.5");
        assert_eq!(gain_text(Lang::De, &gain(loss, Some(-0.5))), "−0,50 (0,5\u{a0}%)");
        assert_eq!(gain_text(Lang::En, &gain(Amount::ZERO, None)), "0.00");
        let bars = [("AAPL".to_owned(), 0.45), (others(Lang::En, 2), 0.55)];
        assert_eq!(chart_text(Lang::En, &bars), "Shares: AAPL 45.0%, 2 more 55.0%");
        let offer = |limit| offer(Lang::En, "Basic", 499, limit, ResetPeriod::Monthly);
        assert_eq!(offer(Limit::At(3)), "Basic, €4.99 a month: 3 analyses a month");
        assert_eq!(offer(Limit::Unlimited), "Basic, €4.99 a month: as many analyses as you like");
    }
}
