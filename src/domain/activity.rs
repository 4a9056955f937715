//! The log of activity: what of it is kept for how long.

use std::net::IpAddr;

use crate::domain::privacy::NOBODY;

/// Who the log says did it, where nobody did: what follows by itself, and what a worker or a clock does.
pub const SYSTEM: &str = "system";
/// Who did it who holds the operator's token, or the machine.
pub const OPERATOR: &str = "operator";
/// The rules that reward.
pub const BONUS: &str = "bonus";
/// The gate for proxies, which counts.
pub const GATE: &str = "gate";
/// The analysis of a portfolio, which counts.
pub const ANALYSIS: &str = "analysis";
/// The link at the end of a letter, by which its reader does without more of the kind.
pub const UNSUBSCRIBE_LINK: &str = "unsubscribe link";

/// What the log calls those who are nobody in particular. Whoever an app calls so does not take the name along
/// when they leave.
pub const RESERVED_ACTORS: [&str; 7] = [SYSTEM, OPERATOR, BONUS, GATE, ANALYSIS, UNSUBSCRIBE_LINK, NOBODY];

/// Where something came from that changes something: the address, and what the browser calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address of the client.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: String,
}

/// Returns the network of an address, as `203.0.113.0/24` or `2001:db8:1::/48`: what is kept of it in
/// the end. Nothing of a text that is no address, so that none is kept in disguise.
pub fn network_of(address: &str) -> Option<String> {
    match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_its_network_is_left() {
        for (address, network) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::/48")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
            ("::1", Some("::/48")),
            ("203.0.113.0/24", None),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(network_of(address).as_deref(), network, "{address}");
        }
    }
}
