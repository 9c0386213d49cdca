//! Proxies in front of the server.

use super::problem::Problem;
use axum::http::HeaderMap;
use std::net::IpAddr;

/// Networks of proxies whose headers are believed.
#[derive(Debug, Default)]
pub struct Proxies(Vec<(IpAddr, u8)>);

/// The machine at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Headers by which a proxy says that it asks for another machine.
const FORWARDED: [&str; 5] = ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"];

impl Proxies {
    /// Parses addresses and networks such as `10.0.0.0/8`.
    pub fn parse(written: &[String]) -> Result<Self, String> {
        let network = |text: &String| -> Option<(IpAddr, u8)> {
            let (address, length) = text.split_once('/').map_or((text.as_str(), None), |(address, length)| (address, Some(length)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let length = length.map_or(Some(most), |length| length.parse().ok().filter(|length| *length <= most))?;
            Some((address, length))
        };
        let wrong =
            |text: &String| format!("serve.proxies: invalid network \"{text}\"; expected an address or a network, such as 10.0.0.0/8");
        written.iter().map(|text| network(text).ok_or_else(|| wrong(text))).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the machine is a proxy that is believed.
    fn trust(&self, Peer(peer): Peer) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|(network, length)| match (peer, network) {
            (IpAddr::V4(peer), IpAddr::V4(network)) => {
                u32::from(peer) ^ u32::from(*network) < 1_u32.checked_shl(32 - u32::from(*length)).unwrap_or(u32::MAX)
            }
            (IpAddr::V6(peer), IpAddr::V6(network)) => {
                u128::from(peer) ^ u128::from(*network) < 1_u128.checked_shl(128 - u32::from(*length)).unwrap_or(u128::MAX)
            }
            _ => false,
        })
    }

    /// The host that the client of a trusted proxy has asked for.
    pub fn host<'h>(&self, peer: Peer, headers: &'h HeaderMap) -> Option<&'h str> {
        let host = headers.get("x-forwarded-host").filter(|_| self.trust(peer))?;
        // With several proxies in a row, the first one knows the client.
        host.to_str().ok()?.split(',').next().map(str::trim)
    }

    /// Refuses requests that a proxy passes on from other machines to a server without keys.
    ///
    /// Such a server listens on loopback because only this machine may use it.
    pub fn check_keyless(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
        if FORWARDED.iter().all(|name| !headers.contains_key(*name)) || self.trust(peer) {
            return Ok(());
        }
        Err(Problem::forbidden(
            "a proxy has passed this request on, and this server asks for no key. Set serve.keys, or add the proxy to serve.proxies to let \
            everyone in whom it lets in",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies::parse(&["10.0.0.0/8".into(), "192.0.2.7".into(), "fd00::/8".into()]).unwrap()
    }

    fn peer(text: &str) -> Peer {
        Peer(text.parse().unwrap())
    }

    #[test]
    fn only_listed_networks_are_trusted() {
        for trusted in ["10.1.2.3", "10.255.255.255", "192.0.2.7", "fd12::1", "::ffff:10.0.0.1"] {
            assert!(proxies().trust(peer(trusted)), "{trusted}");
        }
        for other in ["11.0.0.0", "9.255.255.255", "192.0.2.6", "192.0.2.8", "fe00::1", "::1"] {
            assert!(!proxies().trust(peer(other)), "{other}");
        }
        assert!(Proxies::parse(&["0.0.0.0/0".into()]).unwrap().trust(peer("8.8.8.8")));
        for wrong in ["10.0.0.0/33", "localhost", "", "10.0.0.0/", "::/129"] {
            assert!(Proxies::parse(&[wrong.into()]).unwrap_err().contains("serve.proxies"), "{wrong}");
        }
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let headers = HeaderMap::from_iter([("x-forwarded-host".parse().unwrap(), "docs.example, inner".parse().unwrap())]);
        assert_eq!(proxies().host(peer("10.0.0.1"), &headers), Some("docs.example"));
        assert_eq!(proxies().host(peer("127.0.0.1"), &headers), None);
        assert_eq!(proxies().check_keyless(peer("127.0.0.1"), &headers).unwrap_err().status, 403);
        assert!(proxies().check_keyless(peer("10.0.0.1"), &headers).is_ok());
        assert!(proxies().check_keyless(peer("127.0.0.1"), &HeaderMap::new()).is_ok());
    }
}
