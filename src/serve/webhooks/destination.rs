//! Which addresses the server may call.
//!
//! A client chooses the address of a webhook. Without limits it could make the server call machines
//! that only the server reaches, such as a cloud's metadata service (SSRF).

use crate::serve::problem::Problem;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Maximum length of an address in bytes.
const LONGEST: usize = 2_000;

/// Checks the address of a webhook. `private` allows private addresses.
///
/// Names are checked again when they are resolved, because a name can change its meaning.
pub fn check(address: &str, private: bool) -> Result<(), Problem> {
    let invalid = |why: &str| Problem::invalid(format!("webhook: {why}"));
    let url = Url::parse(address).map_err(|error| invalid(&format!("not an address: {error}")))?;
    if address.len() > LONGEST {
        return Err(invalid("the address is longer than 2,000 bytes"));
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err(invalid("expected an address that begins with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the address must not contain a user or a password. Receivers check the signature"));
    }
    // The parser has already turned all spellings of an IP address into the usual one.
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let name = host.trim_end_matches('.');
    let is_this_machine = name == "localhost" || name.ends_with(".localhost");
    if !private && (is_this_machine || ip.is_some_and(|ip| !is_public(ip))) {
        return Err(Problem::forbidden("webhook: the address is private. The setting serve.webhook_private allows such addresses"));
    }
    Ok(())
}

/// Resolves names to public addresses only.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let why = format!("{} has no public address (serve.webhook_private)", name.as_str());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to a machine on the public internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // "This network" and reserved; shared addresses of providers; benchmarks.
        [0 | 240..=255, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => true,
        // Protocol assignments; relays from IPv6 to IPv4.
        [192, 0, 0, _] | [192, 88, 99, _] => true,
        _ => false,
    };
    !(special
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Forms that contain an IPv4 address mean that address.
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(v4(high, low))
        }
        // Translation for local use; Teredo, ORCHID and the like; documentation.
        [0x64, 0xff9b, ..] | [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        // Only this block is global unicast. Local, link-local and multicast addresses are outside.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_all_spellings_are_refused() {
        for private in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[fec0::1]",
        ] {
            let url = format!("http://{private}/hook");
            assert_eq!(check(&url, false).unwrap_err().status, 403, "{private}");
            assert!(check(&url, true).is_ok(), "{private}");
        }
        for public in ["https://hooks.example/a?b=c", "http://8.8.8.8", "https://[2606:4700::1111]/", "http://[64:ff9b::808:808]/"] {
            assert!(check(public, false).is_ok(), "{public}");
        }
    }

    #[test]
    fn other_schemes_and_passwords_are_refused() {
        for wrong in ["ftp://a.example", "file:///etc/passwd", "https://user:pass@a.example", "not an address", "", "gopher://a.example"] {
            assert_eq!(check(wrong, true).unwrap_err().status, 422, "{wrong}");
        }
    }

    #[tokio::test]
    async fn names_of_private_addresses_are_not_resolved() {
        let resolved = PublicOnly.resolve("localhost".parse().unwrap()).await;
        assert!(resolved.err().unwrap().to_string().contains("no public address"));
    }
}
