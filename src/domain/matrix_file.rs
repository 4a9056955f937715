//! The matrix as a table in a file: a line for every feature, a column for every tier, cells as
//! people type them. What a spreadsheet makes of it can be read again.

use crate::domain::{
    csv::{self, Delimiter},
    ids::{FeatureId, TierId},
    limit::{Cell, Limit},
    matrix::{CellChange, Matrix},
};

/// What is wrong with a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Its number; the head is line 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// Writes the matrix as comma-separated values. An empty cell is inherited.
pub fn to_csv(matrix: &Matrix) -> String {
    let mut lines = Vec::with_capacity(matrix.features.len() + 1);
    let head = std::iter::once("feature").chain(matrix.tiers.iter().map(|tier| tier.id.as_str()));
    lines.push(head.collect::<Vec<_>>().join(","));
    for feature in &matrix.features {
        let cells = matrix.tiers.iter().map(|tier| match matrix.cell(&tier.id, &feature.id).0 {
            // Spreadsheets keep a word better than a sign.
            Cell::Own(Limit::Unlimited) => "unlimited".to_owned(),
            cell => cell.to_input(feature.kind),
        });
        lines.push(std::iter::once(feature.id.to_string()).chain(cells).collect::<Vec<_>>().join(","));
    }
    lines.push(String::new());
    lines.join("\r\n")
}

/// Reads a table: what would have to change for the matrix to be like it. Features and tiers that
/// the table does not name stay as they are. All bad lines are reported together.
pub fn from_csv(text: &str, matrix: &Matrix) -> Result<Vec<CellChange>, Vec<BadLine>> {
    let mut bad = Vec::new();
    let mut changes = Vec::new();
    let mut lines = csv::lines(text);
    let Some((head_line, head)) = lines.next() else {
        return Err(vec![BadLine { line: 1, problem: "the file is empty".to_owned() }]);
    };
    let delimiter = Delimiter::of(head);
    let mut tiers: Vec<Option<TierId>> = Vec::new();
    for name in delimiter.split(head).unwrap_or_default().iter().skip(1) {
        let tier = name.parse::<TierId>().ok().filter(|tier| matrix.tier(tier).is_some());
        if tier.is_none() {
            bad.push(BadLine { line: head_line, problem: format!("there is no tier {name:?}") });
        }
        tiers.push(tier);
    }
    for (line, text) in lines {
        match row(text, delimiter, &tiers, matrix) {
            Ok(wanted) => changes.extend(wanted),
            Err(problem) => bad.push(BadLine { line, problem }),
        }
    }
    if bad.is_empty() { Ok(changes) } else { Err(bad) }
}

fn row(text: &str, delimiter: Delimiter, tiers: &[Option<TierId>], matrix: &Matrix) -> Result<Vec<CellChange>, String> {
    let fields = delimiter.split(text).map_err(|error| error.to_string())?;
    let name = fields.first().map(String::as_str).unwrap_or_default();
    let feature = name.parse::<FeatureId>().ok().and_then(|id| matrix.feature(&id));
    let feature = feature.ok_or_else(|| format!("there is no feature {name:?}"))?;
    if fields.len() != tiers.len() + 1 {
        return Err(format!("{} cells, where the head has {}", fields.len() - 1, tiers.len()));
    }
    let mut changes = Vec::new();
    for (tier, text) in tiers.iter().zip(&fields[1..]) {
        let Some(tier) = tier else { continue };
        let wanted = Cell::parse(text, feature.kind).map_err(|error| format!("{tier}: {text:?}: {error}"))?;
        let (now, version) = matrix.cell(tier, &feature.id);
        if now != wanted {
            changes.push(CellChange { tier: tier.clone(), feature: feature.id.clone(), limit: wanted, version });
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        limit::LimitKind,
        matrix::{MatrixCell, MatrixFeature, MatrixTier},
        period::ResetPeriod,
    };

    fn matrix() -> Matrix {
        let tier = |id: &str| MatrixTier {
            id: id.parse().expect("a name"),
            name: id.to_owned(),
            price_monthly_cents: None,
            active: true,
            members: 0,
        };
        let feature = |id: &str, kind| MatrixFeature {
            id: id.parse().expect("a name"),
            name_en: id.to_owned(),
            name_de: id.to_owned(),
            category: "data".to_owned(),
            kind,
            reset_period: ResetPeriod::Never,
            default_limit: Limit::OFF,
            active: true,
        };
        let cell = |tier: &str, feature: &str, limit| MatrixCell {
            tier: tier.parse().expect("a name"),
            feature: feature.parse().expect("a name"),
            limit,
            version: 7,
        };
        Matrix {
            version: 9,
            tiers: vec![tier("free"), tier("premium")],
            features: vec![feature("photos", LimitKind::Count), feature("export", LimitKind::Boolean)],
            limits: vec![
                cell("free", "photos", Limit::At(5)),
                cell("premium", "export", Limit::At(1)),
                cell("premium", "photos", Limit::Unlimited),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_as_no_change() {
        let text = to_csv(&matrix());
        assert_eq!(text, "feature,free,premium\r\nphotos,5,unlimited\r\nexport,,on\r\n");
        assert_eq!(from_csv(&text, &matrix()), Ok(Vec::new()));
        assert_eq!(from_csv(&text.replace(',', ";"), &matrix()), Ok(Vec::new()), "as a German spreadsheet saves it");
        assert_eq!(from_csv(&format!("\u{feff}{text}"), &matrix()), Ok(Vec::new()));
    }

    #[test]
    fn only_what_differs_is_changed() {
        let changes = from_csv("feature,premium\nphotos,1k\nexport,off\n", &matrix()).expect("a table");
        let shown: Vec<_> = changes.iter().map(|c| (c.tier.as_str(), c.feature.as_str(), c.limit, c.version)).collect();
        let own = |limit| Cell::Own(Limit::At(limit));
        assert_eq!(shown, [("premium", "photos", own(1_000), 7), ("premium", "export", own(0), 7)]);
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "feature,free,gold\nphotos,5\nvideos,1,2\nexport,7,1\nphotos,\"5,1\n";
        let bad = from_csv(text, &matrix()).expect_err("bad lines");
        let lines: Vec<_> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5], "{bad:?}");
        assert!(from_csv("", &matrix()).is_err());
    }
}
