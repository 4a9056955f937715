use std::{collections::HashSet, fs, io::Write};

use tempfile::NamedTempFile;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What every configuration beyond this machine needs.
const ONLINE: [(&str, &str); 4] = [
    ("VOUCHSAFE_LISTEN", "0.0.0.0:3000"),
    ("VOUCHSAFE_PUBLIC_URL", "https://members.example.com"),
    ("VOUCHSAFE_SECRET", SECRET),
    ("VOUCHSAFE_SMTP_URL", "smtps://ann:hunter2@mail.example.com"),
];

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let path = written(file);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(path.path()), variables)
}

fn written(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables).expect_err("it must be refused").to_string()
}

#[test]
fn the_defaults_are_a_configuration_for_development() {
    let config = load("", &[]).expect("the defaults");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:3000");
    assert_eq!(config.server.header_timeout.as_secs(), 10);
    assert_eq!(config.database.url.expose(), "sqlite:data/vouchsafe.db");
    assert!(config.database.auto_migrate);
    assert_eq!(config.security.secret, None);
    assert_eq!(config.mail.transport, MailTransport::Preview);
    assert_eq!(config.mail.from.to_string(), "Vouchsafe <no-reply@localhost>");
    assert_eq!(config.product.name, "Vouchsafe");
    assert_eq!(config.log.format, LogFormat::Auto);
    assert!(config.is_development());
    assert!(!config.secure_cookies());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[server]\nmax_connections = 7\nlisten = \"127.0.0.1:4000\"\n[product]\nproduct_name = \"Filed\"";
    let config = load(file, &[("VOUCHSAFE_LISTEN", "127.0.0.1:5000"), ("HOME", "/root")]).expect("a configuration");
    assert_eq!(config.server.listen.port(), 5000);
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:5000");
    assert_eq!(config.server.max_connections, 7);
    assert_eq!(config.product.name, "Filed");
    assert_eq!(config.database.pool_size, 16);
}

#[test]
fn the_file_can_be_named_by_a_variable_and_the_command_line_wins() {
    let (one, two) = (written("[product]\nproduct_name = \"One\""), written("[product]\nproduct_name = \"Two\""));
    let variable = || [("VOUCHSAFE_CONFIG".to_owned(), one.path().display().to_string())].into_iter();
    assert_eq!(Config::load(None, variable()).expect("a configuration").product.name, "One");
    assert_eq!(Config::load(Some(two.path()), variable()).expect("a configuration").product.name, "Two");
}

#[test]
fn a_named_file_must_be_there_and_be_toml() {
    let error = Config::load(Some(Path::new("/nowhere/vouchsafe.toml")), std::iter::empty());
    assert!(error.expect_err("it is not there").to_string().contains("/nowhere/vouchsafe.toml"));
    let error = refusal("[security]\nsecret = \"hunter2\" \"oops\"\n", &[]);
    assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_file_that_explains_every_key_can_be_used_as_it_is() {
    let config = load(DEFAULTS, &[]).expect("the defaults");
    assert!(config.is_development());
}

#[test]
fn variables_are_read_as_the_type_of_the_default() {
    let config = load(
        "",
        &[
            ("VOUCHSAFE_MAX_CONNECTIONS", " 12 "),
            ("VOUCHSAFE_AUTO_MIGRATE", "false"),
            ("VOUCHSAFE_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.7 ,::1,"),
            ("VOUCHSAFE_PRODUCT_NAME", "42"),
            ("DATABASE_URL", "postgres://ann:hunter2@db/vouchsafe"),
        ],
    )
    .expect("a configuration");
    assert_eq!(config.server.max_connections, 12);
    assert!(!config.database.auto_migrate);
    let proxies: Vec<_> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.168.1.7/32", "::1/128"]);
    assert_eq!(config.product.name, "42");
    assert_eq!(config.database.url.expose(), "postgres://ann:hunter2@db/vouchsafe");
    let config = load("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]", &[("VOUCHSAFE_TRUSTED_PROXIES", "")]);
    assert_eq!(config.expect("a configuration").server.trusted_proxies, []);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (file, name) in [
        ("[server]\nlitsen = \"127.0.0.1:80\"", "server.litsen"),
        ("[servers]\nlisten = \"127.0.0.1:80\"", "servers"),
        ("listen = \"127.0.0.1:80\"", "listen"),
        ("server = \"127.0.0.1:80\"", "server"),
        ("[server.listen]\nport = 80", "server.listen"),
    ] {
        let error = refusal(file, &[]);
        assert!(error.contains(name), "{name}: {error}");
    }
    assert!(refusal("[server]\nlitsen = 1", &[]).contains("listen, max_connections"));
    for name in ["VOUCHSAFE_LITSEN", "VOUCHSAFE_URL", "VOUCHSAFE_", "VOUCHSAFE_DATABASE_URL", "VOUCHSAFE_listen"] {
        let error = refusal("", &[(name, "x")]);
        assert!(error.contains(name) && error.contains("VOUCHSAFE_LISTEN"), "{name}: {error}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_refused_with_its_key_and_origin() {
    let path = written("[server]\nmax_connections = \"many\"");
    let error = Config::load(Some(path.path()), std::iter::empty()).expect_err("it must be refused").to_string();
    assert!(error.contains("server.max_connections"), "{error}");
    assert!(error.contains(&path.path().display().to_string()), "{error}");
    assert!(error.contains("It must be a whole number"), "{error}");

    for (name, value, key) in [
        ("VOUCHSAFE_LISTEN", "", "server.listen"),
        ("VOUCHSAFE_LISTEN", "localhost", "server.listen"),
        ("VOUCHSAFE_LISTEN", "127.0.0.1:99999", "server.listen"),
        ("VOUCHSAFE_PUBLIC_URL", "members.example.com", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "ftp://localhost", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "http://localhost/", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "http://localhost/members", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "http://localhost?a", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "http://localhost#a", "server.public_url"),
        ("VOUCHSAFE_PUBLIC_URL", "http://ann:hunter2@localhost", "server.public_url"),
        ("VOUCHSAFE_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "server.trusted_proxies"),
        ("VOUCHSAFE_MAX_CONNECTIONS", "0", "server.max_connections"),
        ("VOUCHSAFE_MAX_CONNECTIONS", "-1", "server.max_connections"),
        ("VOUCHSAFE_MAX_CONNECTIONS", "1.5", "server.max_connections"),
        ("VOUCHSAFE_MAX_CONNECTIONS", "99999999999999999999", "server.max_connections"),
        ("VOUCHSAFE_HEADER_TIMEOUT_SECONDS", "0", "server.header_timeout_seconds"),
        ("VOUCHSAFE_BODY_TIMEOUT_SECONDS", "soon", "server.body_timeout_seconds"),
        ("VOUCHSAFE_REQUEST_TIMEOUT_SECONDS", "0", "server.request_timeout_seconds"),
        ("VOUCHSAFE_SHUTDOWN_SECONDS", "-1", "server.shutdown_seconds"),
        ("VOUCHSAFE_DANGER_INSECURE_HTTP", "yes", "server.danger_insecure_http"),
        ("DATABASE_URL", "mysql://localhost", "database.url"),
        ("VOUCHSAFE_AUTO_MIGRATE", "", "database.auto_migrate"),
        ("VOUCHSAFE_POOL_SIZE", "0", "database.pool_size"),
        ("VOUCHSAFE_SECRET", "short", "security.secret"),
        ("VOUCHSAFE_ADMIN_TOKEN", "with space", "security.admin_token"),
        ("VOUCHSAFE_ADMIN_TOKEN", "ümlaut", "security.admin_token"),
        ("VOUCHSAFE_MAIL_TRANSPORT", "pigeon", "mail.mail_transport"),
        ("VOUCHSAFE_MAIL_TRANSPORT", "smtp", "mail.smtp_url"),
        ("VOUCHSAFE_SMTP_URL", "https://mail.example.com", "mail.smtp_url"),
        ("VOUCHSAFE_SMTP_URL", "mail.example.com", "mail.smtp_url"),
        ("VOUCHSAFE_MAIL_FROM", "nobody", "mail.mail_from"),
        ("VOUCHSAFE_MAIL_FROM", "a@example.com\r\nBcc: b@example.com", "mail.mail_from"),
        ("VOUCHSAFE_PRODUCT_NAME", " ", "product.product_name"),
        ("VOUCHSAFE_PRODUCT_NAME", "two\nlines", "product.product_name"),
        ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", "whsec_new,whsec old", "payments.stripe_webhook_secret"),
        ("VOUCHSAFE_PADDLE_API_KEY", "two words", "payments.paddle_api_key"),
        ("VOUCHSAFE_STRIPE_API_BASE", "", "payments.stripe_api_base"),
        ("VOUCHSAFE_PADDLE_API_BASE", "api.paddle.com", "payments.paddle_api_base"),
        ("VOUCHSAFE_POLAR_API_BASE", "ftp://localhost", "payments.polar_api_base"),
        ("VOUCHSAFE_PAYMENTS_TIMEOUT_SECONDS", "0", "payments.payments_timeout_seconds"),
        ("VOUCHSAFE_ANALYZE_KEY", "k", "analyze.analyze_key"),
        ("VOUCHSAFE_ANALYZE_MODEL", "m", "analyze.analyze_model"),
        ("VOUCHSAFE_ANALYZE_URL", "https://api.example.com/v1", "analyze.analyze_model"),
        ("VOUCHSAFE_ANALYZE_TIMEOUT_SECONDS", "0", "analyze.analyze_timeout_seconds"),
        ("VOUCHSAFE_LOG", "", "log.log"),
        ("VOUCHSAFE_LOG", "vouchsafe=loud", "log.log"),
        ("VOUCHSAFE_LOG", "infos", "log.log"),
        ("VOUCHSAFE_LOG", "warn,vouchsafe", "log.log"),
        ("VOUCHSAFE_LOG_FORMAT", "xml", "log.log_format"),
    ] {
        let error = refusal("", &[(name, value)]);
        assert!(error.starts_with(key), "{name}={value:?}: {error}");
        assert!(error.contains(". It must be "), "{name}={value:?}: {error}");
    }
    assert!(refusal("", &[("VOUCHSAFE_LOG", "loud")]).contains("from the variable VOUCHSAFE_LOG"));
    for fine in ["off", "DEBUG", "warn,vouchsafe=debug", "info,sqlx=off", "vouchsafe[request{http.method=GET}]=debug"] {
        assert!(load("", &[("VOUCHSAFE_LOG", fine)]).is_ok(), "{fine}");
    }
}

#[test]
fn a_file_must_have_the_types_of_the_defaults() {
    for (file, key) in [
        ("[server]\nlisten = 3000", "server.listen"),
        ("[server]\nmax_connections = 1.5", "server.max_connections"),
        ("[server]\ndanger_insecure_http = \"true\"", "server.danger_insecure_http"),
        ("[server]\ntrusted_proxies = \"10.0.0.0/8\"", "server.trusted_proxies"),
        ("[server]\ntrusted_proxies = [10]", "server.trusted_proxies"),
    ] {
        let error = refusal(file, &[]);
        assert!(error.starts_with(key), "{file}: {error}");
    }
}

#[test]
fn beyond_this_machine_a_secret_and_a_mail_server_are_demanded() {
    let config = load("", &ONLINE).expect("a configuration");
    assert!(!config.is_development());
    assert!(config.secure_cookies());
    assert_eq!(config.security.secret, Some(Secret::new(SECRET)));
    for (missing, key) in [("VOUCHSAFE_SECRET", "security.secret"), ("VOUCHSAFE_SMTP_URL", "mail.mail_transport")] {
        let rest: Vec<_> = ONLINE.into_iter().filter(|(name, _)| *name != missing).collect();
        let error = refusal("", &rest);
        assert!(error.starts_with(key) && error.contains(missing), "{error}");
    }
    let chosen = [("VOUCHSAFE_MAIL_TRANSPORT", "preview")];
    let config = load("", &[&ONLINE[..3], &chosen].concat()).expect("a configuration");
    assert_eq!(config.mail.transport, MailTransport::Preview);
}

#[test]
fn smtp_is_used_as_soon_as_a_server_is_named() {
    let url = ("VOUCHSAFE_SMTP_URL", "smtp://localhost:2525");
    let expected = MailTransport::Smtp { url: Secret::new("smtp://localhost:2525") };
    assert_eq!(load("", &[url]).expect("a configuration").mail.transport, expected);
    let preview = ("VOUCHSAFE_MAIL_TRANSPORT", "preview");
    assert_eq!(load("", &[url, preview]).expect("a configuration").mail.transport, MailTransport::Preview);
}

#[test]
fn plain_http_leaves_this_machine_only_when_asked_to() {
    let with = |url, more: &[(&'static str, &'static str)]| {
        let url = [("VOUCHSAFE_PUBLIC_URL", url), ("VOUCHSAFE_LISTEN", "0.0.0.0:3000"), ("VOUCHSAFE_SECRET", SECRET)];
        load("", &[&url[..], &[("VOUCHSAFE_MAIL_TRANSPORT", "preview")], more].concat())
    };
    let error = with("http://members.example.com", &[]).expect_err("it must be refused").to_string();
    assert!(error.starts_with("server.public_url") && error.contains("server.danger_insecure_http"), "{error}");
    let error = with("", &[]).expect_err("it must be refused").to_string();
    assert!(error.starts_with("server.public_url") && error.contains("0.0.0.0:3000"), "{error}");
    assert!(with("http://members.example.com", &[("VOUCHSAFE_DANGER_INSECURE_HTTP", "true")]).is_ok());
    for local in ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "http://vouchsafe.localhost"] {
        assert!(!with(local, &[]).expect(local).is_development(), "the address it listens on is not local");
    }
}

#[test]
fn a_language_model_is_reached_by_its_root_or_its_whole_address() {
    let with = |url: &'static str, more: &[(&'static str, &'static str)]| {
        let model = [("VOUCHSAFE_ANALYZE_URL", url), ("VOUCHSAFE_ANALYZE_MODEL", " calm-1 ")];
        load("", &[&model[..], more].concat()).map(|config| config.analyze.model.expect("a model"))
    };
    for (given, called) in [
        ("https://api.example.com", "https://api.example.com/v1/chat/completions"),
        ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
        ("http://localhost:11434/openai/v1", "http://localhost:11434/openai/v1/chat/completions"),
        ("https://api.example.com/v2/chat/completions", "https://api.example.com/v2/chat/completions"),
    ] {
        let model = with(given, &[]).expect(given);
        assert_eq!((model.url.as_str(), model.name.as_str(), model.key), (called, "calm-1", None));
        assert_eq!(model.timeout.as_secs(), 12);
    }
    for bad in [
        "api.example.com",
        "ftp://api.example.com",
        "https://ann:hunter2@api.example.com",
        "https://a.example?k=hunter2",
    ] {
        let error = with(bad, &[]).expect_err(bad).to_string();
        assert!(error.starts_with("analyze.analyze_url") && !error.contains("hunter2"), "{error}");
    }
    let url = "https://api.example.com/v1";
    let error = with(url, &[("VOUCHSAFE_ANALYZE_KEY", "two words")]).expect_err("not a token").to_string();
    assert!(error.starts_with("analyze.analyze_key") && !error.contains("two words"), "{error}");
    let error = with(url, &[("VOUCHSAFE_ANALYZE_TIMEOUT_SECONDS", "15")]).expect_err("too long").to_string();
    assert!(error.starts_with("analyze.analyze_timeout_seconds") && error.contains("at most 14"), "{error}");
    assert!(with(url, &[("VOUCHSAFE_ANALYZE_TIMEOUT_SECONDS", "14")]).is_ok());
    assert_eq!(load("", &[]).expect("the defaults").analyze.model, None);
}

#[test]
fn a_provider_has_several_secrets_one_key_and_an_address() {
    let payments = load("", &[]).expect("the defaults").payments;
    for (provider, base) in [
        (&payments.stripe, "https://api.stripe.com/"),
        (&payments.paddle, "https://api.paddle.com/"),
        (&payments.polar, "https://api.polar.sh/"),
    ] {
        let nothing = (vec![], None, base);
        assert_eq!((provider.webhook_secrets.clone(), provider.api_key.clone(), provider.api_base.as_str()), nothing);
    }
    assert_eq!(payments.timeout.as_secs(), 10);

    let file = "[payments]\npolar_webhook_secret = [\"one\", \" \", \" two \"]";
    let payments = load(
        file,
        &[
            ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", " whsec_new, ,whsec_old,"),
            ("VOUCHSAFE_PADDLE_WEBHOOK_SECRET", " , "),
            ("VOUCHSAFE_STRIPE_API_KEY", " sk_test_1 "),
            ("VOUCHSAFE_PADDLE_API_KEY", " "),
            ("VOUCHSAFE_STRIPE_API_BASE", "http://127.0.0.1:8420/"),
            ("VOUCHSAFE_POLAR_API_BASE", "https://sandbox-api.polar.sh/behind/a/proxy/"),
        ],
    )
    .expect("a configuration")
    .payments;
    let secrets = |texts: [&str; 2]| texts.map(Secret::new).to_vec();
    assert_eq!(payments.stripe.webhook_secrets, secrets(["whsec_new", "whsec_old"]));
    assert_eq!(payments.paddle.webhook_secrets, []);
    assert_eq!(payments.polar.webhook_secrets, secrets(["one", "two"]));
    assert_eq!((payments.stripe.api_key, payments.paddle.api_key), (Some(Secret::new("sk_test_1")), None));
    assert_eq!(payments.stripe.api_base.as_str(), "http://127.0.0.1:8420/");
    assert_eq!(payments.polar.api_base.as_str(), "https://sandbox-api.polar.sh/behind/a/proxy");
}

#[test]
fn the_key_of_a_provider_travels_encrypted_or_stays_on_this_machine() {
    for fine in ["http://localhost:8420", "http://[::1]:8420", "http://stripe.localhost", "HTTPS://Api.Example.com"] {
        assert!(load("", &[("VOUCHSAFE_STRIPE_API_BASE", fine)]).is_ok(), "{fine}");
    }
    for bad in [
        "http://api.stripe.com",
        "http://10.0.0.7:8420",
        "http://localhost.example.com",
        "https://ann:hunter2@api.stripe.com",
        "https://api.stripe.com?key=hunter2",
        "https://api.stripe.com#hunter2",
        "unix:/run/hunter2",
    ] {
        let error = refusal("", &[("VOUCHSAFE_STRIPE_API_BASE", bad)]);
        assert!(error.starts_with("payments.stripe_api_base") && !error.contains("hunter2"), "{bad}: {error}");
    }
}

#[test]
fn a_provider_answers_before_the_page_gives_up() {
    let with = |more: &[(&'static str, &'static str)]| {
        load("", &[&[("VOUCHSAFE_REQUEST_TIMEOUT_SECONDS", "10")][..], more].concat())
    };
    assert!(with(&[]).is_ok(), "nothing is asked of a provider");
    let key = ("VOUCHSAFE_POLAR_API_KEY", "polar_oat_1");
    let error = with(&[key]).expect_err("too long").to_string();
    assert!(error.starts_with("payments.payments_timeout_seconds") && error.contains("which is 10"), "{error}");
    assert!(with(&[key, ("VOUCHSAFE_PAYMENTS_TIMEOUT_SECONDS", "9")]).is_ok());
}

#[test]
fn public_addresses_are_kept_as_browsers_write_them() {
    let origin = |text: &str| text.parse::<PublicUrl>().map(|url| url.to_string());
    assert_eq!(origin("HTTPS://Members.Example.com:443"), Ok("https://members.example.com".into()));
    assert_eq!(origin("https://bücher.example:8443"), Ok("https://xn--bcher-kva.example:8443".into()));
    assert_eq!(origin("https://"), Err(PublicUrlError::NotAnAddress));
    assert_eq!(origin("mailto:ann@example.com"), Err(PublicUrlError::Scheme));
    assert_eq!(origin("https://example.com/"), Err(PublicUrlError::TooMuch));
}

#[test]
fn the_folder_of_the_database_is_known() {
    let folder = |url| load("", &[("DATABASE_URL", url)]).expect("a configuration").database.folder();
    assert_eq!(folder("sqlite:data/vouchsafe.db"), Some("data".into()));
    assert_eq!(folder("sqlite:vouchsafe.db"), Some(".".into()));
    assert_eq!(folder("sqlite:///var/lib/vouchsafe.db?mode=rwc"), Some("/var/lib".into()));
    assert_eq!(folder("sqlite::memory:"), None);
    assert_eq!(folder("sqlite://memory?mode=memory"), None);
    assert_eq!(folder("postgres://localhost/vouchsafe"), None);
}

#[test]
fn secrets_never_show() {
    let secrets = [
        ("VOUCHSAFE_ADMIN_TOKEN", "adminhunter2"),
        ("DATABASE_URL", "postgres://ann:hunter2@db/vouchsafe"),
        ("VOUCHSAFE_SECRET", "hunter2hunter2hunter2hunter2hunter2"),
        ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", "whsec_hunter2,whsec_hunter2_old"),
        ("VOUCHSAFE_PADDLE_API_KEY", "pdl_hunter2"),
    ];
    let config = load("", &[&ONLINE[..], &secrets].concat()).expect("a configuration");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && shown.contains("[hidden]"), "{shown}");
    for (name, value) in [
        ("DATABASE_URL", "mysql://ann:hunter2@db/vouchsafe"),
        ("VOUCHSAFE_SECRET", "hunter2"),
        ("VOUCHSAFE_ADMIN_TOKEN", "hunter2 hunter2"),
        ("VOUCHSAFE_SMTP_URL", "imap://ann:hunter2@mail"),
        ("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", "hunter2 hunter2"),
        ("VOUCHSAFE_PADDLE_API_KEY", "hunter2 hunter2"),
    ] {
        let error = load("", &[(name, value)]).expect_err("it must be refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn every_key_has_a_variable_of_its_own_and_words() {
    let text = fs::read_to_string("Leptos.toml").unwrap_or_else(|_| DEFAULTS.to_owned());
    assert_eq!(text, DEFAULTS);
    let defaults: toml::Table = DEFAULTS.parse().expect("TOML");
    let mut names = HashSet::new();
    for (section, keys) in &defaults {
        let (toml::Value::Table(keys), false) = (keys, section == "package") else { continue };
        for key in keys.keys() {
            assert!(names.insert(key.clone()), "two keys are called {key}, and so are their variables");
            let line = DEFAULTS.lines().position(|line| line.starts_with(&format!("{key} = "))).expect("a line");
            assert!(DEFAULTS.lines().nth(line - 1).is_some_and(|line| line.starts_with('#')), "{key} is not explained");
        }
    }
    assert!(!names.is_empty());
}
