//! Puts letters into words, from the templates in `letters/`.
//!
//! A letter's folder holds its subject, its text and its HTML in every language. A paragraph of
//! the text stands on one line there and is broken here; HTML is escaped by the file's ending.

use std::fmt;

use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::domain::{
    lang::Lang,
    login::{CODE_LIFETIME, LoginCode, SHORT_CODE_LENGTH},
};

/// The longest line of a text, in characters: what still fits when it is quoted in a terminal.
const LINE_LENGTH: usize = 76;

macro_rules! templates {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("letters/", $name)))),+]
    };
}

const TEMPLATES: [(&str, &str); 13] = templates! {
    "layout.html.j2"
    "login_code/de.html.j2" "login_code/de.subject.txt.j2" "login_code/de.txt.j2"
    "login_code/en.html.j2" "login_code/en.subject.txt.j2" "login_code/en.txt.j2"
    "no_account/de.html.j2" "no_account/de.subject.txt.j2" "no_account/de.txt.j2"
    "no_account/en.html.j2" "no_account/en.subject.txt.j2" "no_account/en.txt.j2"
};

/// A letter with everything that its words need.
///
/// It has no `Debug`, so that no log can hold a code.
#[derive(Clone, PartialEq, Eq)]
pub enum Contents {
    /// The code that completes a sign-in.
    LoginCode(LoginCode),
    /// There is no account for the address, and none can be opened.
    NoAccount,
}

/// A letter in words.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// The letter as plain text, its lines at most 76 characters long.
    pub text: String,
    /// The letter as a page of its own, with all its styles and without anything to load.
    pub html: String,
}

impl fmt::Debug for Rendered {
    // The words may hold a code.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// The templates of all letters, with what is the same in each of them.
pub struct Letters {
    environment: Environment<'static>,
    product: String,
    site: String,
}

impl Letters {
    /// Reads the embedded templates for a product of that name, whose pages are at `public_url`.
    pub fn new(product_name: &str, public_url: &str) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).expect("embedded templates are well-formed: the tests read each");
        }
        Self { environment, product: one_line(product_name), site: one_line(public_url.trim_end_matches('/')) }
    }

    /// Puts a letter into words.
    pub fn render(&self, contents: &Contents, lang: Lang) -> Rendered {
        let (letter, values) = match contents {
            Contents::LoginCode(code) => (
                "login_code",
                context! {
                    code => code.as_str(),
                    long => code.as_str().len() > SHORT_CODE_LENGTH,
                    minutes => CODE_LIFETIME.num_minutes(),
                },
            ),
            Contents::NoAccount => ("no_account", context! {}),
        };
        let values = context! { product => self.product, site => self.site, lang => lang.tag(), ..values };
        let subject = one_line(&self.fill(letter, lang, "subject.txt", &values));
        let text = wrap(&self.fill(letter, lang, "txt", &values));
        let html = self.fill(letter, lang, "html", &context! { subject, ..values });
        Rendered { subject, text, html }
    }

    fn fill(&self, letter: &str, lang: Lang, part: &str, values: &Value) -> String {
        self.environment
            .get_template(&format!("{letter}/{}.{part}.j2", lang.tag()))
            .and_then(|template| template.render(values))
            .expect("every letter has its templates and every value they name: the tests render each")
    }
}

/// Makes a text fit for a header: line breaks and other control characters become spaces.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Breaks the lines that are too long, at spaces. A single word that is too long stays whole,
/// because a broken address could not be opened.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / LINE_LENGTH + 1);
    for line in text.lines() {
        if line.chars().count() <= LINE_LENGTH {
            wrapped.push_str(line);
        } else {
            let mut length = 0;
            for word in line.split_whitespace() {
                let word_length = word.chars().count();
                if length > 0 && length + 1 + word_length > LINE_LENGTH {
                    wrapped.push('\n');
                    length = 0;
                }
                if length > 0 {
                    wrapped.push(' ');
                    length += 1;
                }
                wrapped.push_str(word);
                length += word_length;
            }
        }
        wrapped.push('\n');
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Contents {
        Contents::LoginCode(LoginCode::parse(text).expect("the test's code is one"))
    }

    fn letters() -> Letters {
        Letters::new("Vouchsafe", "https://members.example.com/")
    }

    #[test]
    fn every_letter_exists_in_every_language() {
        for lang in Lang::ALL {
            for contents in [code("012345"), code("ABCDEFGHJ2"), Contents::NoAccount] {
                let rendered = letters().render(&contents, lang);
                assert!(rendered.html.contains(&format!(r#"<html lang="{}">"#, lang.tag())));
                assert!(rendered.html.contains(r#"<meta name="color-scheme" content="light dark">"#));
                assert!(!rendered.html.contains("<img") && !rendered.html.contains("url("), "nothing is loaded");
                for part in [&rendered.subject, &rendered.text, &rendered.html] {
                    assert!(part.contains("Vouchsafe"), "{part}");
                    assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                }
                for part in [&rendered.text, &rendered.html] {
                    assert!(part.contains("members.example.com"), "{part}");
                }
                for line in rendered.text.lines() {
                    assert!(line.chars().count() <= LINE_LENGTH, "{line}");
                    assert_eq!(line, line.trim_end());
                }
                assert!(!rendered.text.contains("\n\n\n"), "{}", rendered.text);
            }
        }
    }

    #[test]
    fn a_code_stands_whole_in_every_part() {
        let english = letters().render(&code("012345"), Lang::En);
        assert_eq!(english.subject, "012345 is your Vouchsafe code");
        assert!(english.text.contains("\n    012345\n"), "{}", english.text);
        assert!(english.text.contains("10 minutes"), "{}", english.text);
        assert!(english.html.contains(">012345</p>"), "{}", english.html);

        let german = letters().render(&code("ABCDEFGHJ2"), Lang::De);
        assert_eq!(german.subject, "ABCDEFGHJ2 ist Ihr Code für Vouchsafe");
        assert!(german.text.contains("\n    ABCDEFGHJ2\n"), "{}", german.text);
        assert!(german.html.contains(">ABCDEFGHJ2</p>"), "{}", german.html);
    }

    #[test]
    fn only_a_long_code_is_explained() {
        let rendered = |text| letters().render(&code(text), Lang::En).text;
        assert!(rendered("ABCDEFGHJ2").contains("longer than usual"));
        assert!(!rendered("012345").contains("longer than usual"));
    }

    #[test]
    fn a_letter_without_a_code_says_what_to_do() {
        let english = letters().render(&Contents::NoAccount, Lang::En);
        assert_eq!(english.subject, "No Vouchsafe account for this address");
        assert!(english.text.contains("ask the person who runs\nVouchsafe"), "{}", english.text);
        let german = letters().render(&Contents::NoAccount, Lang::De);
        assert_eq!(german.subject, "Kein Konto für diese Adresse bei Vouchsafe");
    }

    #[test]
    fn a_name_with_markup_stays_text() {
        let letters = Letters::new("<b>&'\"", "https://example.com/<i>");
        for contents in [code("012345"), Contents::NoAccount] {
            let rendered = letters.render(&contents, Lang::En);
            assert!(rendered.text.contains("<b>&'\""), "plain text needs no escape: {}", rendered.text);
            assert!(rendered.html.contains("&lt;b&gt;&amp;&#x27;&quot;"), "{}", rendered.html);
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("<i>"), "{}", rendered.html);
        }
    }

    #[test]
    fn a_name_with_line_breaks_stays_on_its_line() {
        let rendered = Letters::new("Evil\r\nBcc: eve@example.com\u{2028}\0x\u{85}", "https://example.com")
            .render(&code("012345"), Lang::En);
        assert_eq!(rendered.subject, "012345 is your Evil Bcc: eve@example.com x code");
    }

    #[test]
    fn long_lines_break_at_spaces_and_long_words_stay_whole() {
        let address = format!("https://example.com/{}", "x".repeat(80));
        assert_eq!(wrap(&format!("see {address} now")), format!("see\n{address}\nnow\n"));
        assert_eq!(wrap("    kept  as it is"), "    kept  as it is\n");
        assert_eq!(wrap(&"ü ".repeat(40)), format!("{}\n{}\n", ["ü"; 38].join(" "), ["ü"; 2].join(" ")));
    }

    #[test]
    fn words_with_a_code_are_not_printed_by_debug() {
        let rendered = letters().render(&code("012345"), Lang::En);
        assert!(!format!("{rendered:?}").contains("012345"));
    }
}
