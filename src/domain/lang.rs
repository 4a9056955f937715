//! The languages that Vouchsafe speaks.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language of pages, mails and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English, also for everyone who asks for neither.
    #[default]
    En,
    /// German.
    De,
}

/// A language that Vouchsafe does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the language is neither en nor de")]
pub struct UnknownLang;

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(text: &str) -> Result<Self, UnknownLang> {
        match text {
            "en" => Ok(Self::En),
            "de" => Ok(Self::De),
            _ => Err(UnknownLang),
        }
    }
}

impl Lang {
    /// All of them, in the order in which a person is asked to choose.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// Returns the BCP 47 tag, as in `<html lang>`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// Returns the language's name in that language.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
        }
    }

    /// Chooses from an `Accept-Language` header (RFC 9110 §12.5.4) the language of the highest
    /// weight that we speak, the first among equals.
    pub fn from_accept_language(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in header.split(',').take(32) {
            let mut parts = range.split(';');
            let primary = parts.next().unwrap_or_default().trim().split('-').next().unwrap_or_default();
            let Ok(lang) = primary.to_ascii_lowercase().parse::<Self>() else { continue };
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
            let Some(weight) = weight.filter(|weight| *weight > 0.0 && *weight <= 1.0) else { continue };
            if best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_that_we_speak_wins() {
        let cases = [
            ("de-AT,de;q=0.9,en;q=0.8", Some(Lang::De)),
            ("en;q=0.5, DE;q=0.7", Some(Lang::De)),
            ("fr, en;q=0.3", Some(Lang::En)),
            ("de;q=0, en;q=0.1", Some(Lang::En)),
            ("fr", None),
            ("", None),
            ("de;q=nonsense", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Lang::from_accept_language(header), expected, "{header}");
        }
    }
}
