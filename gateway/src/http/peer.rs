//! Where a request comes from: the far end of the socket, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client's address: that of the socket or, where that is a trusted proxy's, the rightmost address of
/// `X-Forwarded-For` that is not. Everything to the left of it is the client's own word and counts for nothing.
pub fn address(socket: SocketAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let mut address = socket.ip().to_canonical();
    let hops = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|line| line.split(',')).collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(address, trusted_proxies) {
            break;
        }
        // What is no address cannot be followed any further.
        let Some(hop) = parse(hop.trim()) else { break };
        address = hop;
    }
    address
}

/// Whether the client's own connection is encrypted, as a trusted proxy says; the gateway itself speaks no TLS.
pub fn is_https(socket: SocketAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> bool {
    let proto = headers.get(FORWARDED_PROTO).and_then(|proto| proto.to_str().ok()).unwrap_or_default();
    // Several proxies in a row may each add theirs; the first one met the client.
    let client = proto.split(',').next().unwrap_or_default().trim();
    is_trusted(socket.ip().to_canonical(), trusted_proxies) && client.eq_ignore_ascii_case("https")
}

fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|network| network.contains(&address))
}

/// Some proxies add the port.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.ok().or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn seen_from(socket: &str, trusted: &[&str], headers: &[(&'static str, &'static str)]) -> (String, bool) {
        let socket = SocketAddr::new(socket.parse().unwrap(), 4711);
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        (address(socket, &headers, &trusted).to_string(), is_https(socket, &headers, &trusted))
    }

    #[test]
    fn without_a_trusted_proxy_only_the_socket_counts() {
        let headers = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        assert_eq!(seen_from("192.0.2.1", &[], &headers), ("192.0.2.1".to_owned(), false));
        assert_eq!(seen_from("192.0.2.1", &["10.0.0.0/8"], &headers), ("192.0.2.1".to_owned(), false));
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_address_that_is_none_of_them_counts() {
        let headers = [("x-forwarded-for", "6.6.6.6, 192.0.2.7"), ("x-forwarded-for", "10.0.0.9")];
        assert_eq!(seen_from("10.0.0.1", &["10.0.0.0/8"], &headers).0, "192.0.2.7");
    }

    #[test]
    fn a_client_cannot_claim_an_address_through_a_proxy() {
        let headers = [("x-forwarded-for", "127.0.0.1, 10.0.0.3, 192.0.2.7")];
        assert_eq!(seen_from("10.0.0.1", &["10.0.0.0/8"], &headers).0, "192.0.2.7");
        let headers = [("x-forwarded-for", "192.0.2.7, nonsense, 10.0.0.2")];
        assert_eq!(seen_from("10.0.0.1", &["10.0.0.0/8"], &headers).0, "10.0.0.2");
    }

    #[test]
    fn addresses_are_read_in_every_notation_that_proxies_use() {
        for (hop, address) in [
            ("192.0.2.7:1234", "192.0.2.7"),
            ("[2001:db8::1]:1234", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(seen_from("::ffff:10.0.0.1", &["10.0.0.0/8"], &[("x-forwarded-for", hop)]).0, address, "{hop}");
        }
    }

    #[test]
    fn the_proxy_that_met_the_client_says_whether_that_was_encrypted() {
        for (proto, https) in [("https", true), ("HTTPS, http", true), ("http, https", false), ("http", false)] {
            assert_eq!(seen_from("10.0.0.1", &["10.0.0.0/8"], &[("x-forwarded-proto", proto)]).1, https, "{proto}");
        }
    }
}
