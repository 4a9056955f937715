//! QR codes, drawn as SVG.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// The light edge that readers need, in modules (ISO/IEC 18004 §6.3.8).
const EDGE: i32 = 4;

/// A QR code as one path of an SVG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    /// Its width and height with the edge, in modules.
    pub size: i32,
    /// The dark modules.
    pub path: String,
}

impl Drawing {
    /// Draws a text. Returns `None` for one that is too long for any code.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let mut run = 0;
                while x + run < code.size() && code.get_module(x + run, y) {
                    run += 1;
                }
                if run > 0 {
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + EDGE, y + EDGE);
                }
                x += run.max(1);
            }
        }
        Some(Self { size: code.size() + 2 * EDGE, path })
    }

    /// Returns a file of its own, black on white however dark the page is on which it stands.
    pub fn file(&self) -> String {
        let Self { size, path } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" width=\"{side}\" height=\"{side}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/>\
             <path fill=\"#000\" d=\"{path}\"/></svg>",
            side = size * 8,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns which modules a drawing makes dark, by its own path.
    fn dark(drawing: &Drawing) -> Vec<(i32, i32)> {
        let runs = drawing.path.split('M').skip(1);
        let number = |text: &str| text.parse::<i32>().expect("a number");
        runs.flat_map(|run| {
            let (x, rest) = run.split_once(' ').expect("two numbers");
            let (y, rest) = rest.split_once('h').expect("a run");
            let (length, _) = rest.split_once('v').expect("a height");
            (0..number(length)).map(move |step| (number(x) + step, number(y))).collect::<Vec<_>>()
        })
        .collect()
    }

    #[test]
    fn a_drawing_has_the_modules_of_its_code() {
        let link = "https://members.example.com/redeem/K7MQ2-XWAB4";
        let drawing = Drawing::of(link).expect("a code");
        let code = QrCode::encode_text(link, QrCodeEcc::Medium).expect("a code");
        let modules = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let mut expected: Vec<_> =
            modules.filter(|(x, y)| code.get_module(*x, *y)).map(|(x, y)| (x + EDGE, y + EDGE)).collect();
        let mut drawn = dark(&drawing);
        expected.sort();
        drawn.sort();
        assert_eq!(drawn, expected);
        assert_eq!(drawing.size, code.size() + 8);
        assert!(drawing.file().contains(&drawing.path));
        assert_eq!(Drawing::of(&"x".repeat(3_000)), None);
    }
}
