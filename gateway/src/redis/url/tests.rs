use super::*;

fn url(text: &str) -> RedisUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> UrlError {
    text.parse::<RedisUrl>().unwrap_err()
}

fn hosts(list: &[(&str, u16)]) -> Vec<HostPort> {
    list.iter().map(|&(host, port)| HostPort::new(host, port)).collect()
}

#[test]
fn one_server_is_a_host_with_what_is_usual_where_nothing_is_said() {
    let plain = url("redis://localhost");
    assert_eq!(plain.topology, Place::Fixed(HostPort::new("localhost", 6379)));
    assert_eq!((plain.tls, plain.user, plain.password, plain.database), (false, None, None, 0));
    let full = url("rediss://ada:s3cret@redis.example:7000/15");
    assert_eq!(full.topology, Place::Fixed(HostPort::new("redis.example", 7000)));
    assert_eq!((full.tls, full.user.as_deref(), full.database), (true, Some("ada"), 15));
    assert_eq!(full.password.unwrap().expose(), "s3cret");
    assert_eq!(url("redis://h/").database, 0);
}

#[test]
fn a_password_alone_is_that_of_the_default_user() {
    let parsed = url("redis://:s3cret@h");
    assert_eq!((parsed.user, parsed.password), (None, Some(Password::new("s3cret"))));
    assert_eq!(url("redis://nobody:@h").password, Some(Password::new("")));
}

#[test]
fn users_and_passwords_are_percent_decoded() {
    let parsed = url("redis://a%40b:p%2Fq%3Fr%23s%25%3A+@h");
    assert_eq!(parsed.user.as_deref(), Some("a@b"));
    assert_eq!(parsed.password.unwrap().expose(), "p/q?r#s%:+");
    assert_eq!(url("redis://u:a:b@h").password.unwrap().expose(), "a:b");
}

#[test]
fn valkey_is_as_good_as_redis_in_every_scheme() {
    for (scheme, tls) in [("redis", false), ("rediss", true), ("valkey", false), ("VALKEYS", true)] {
        assert_eq!(url(&format!("{scheme}://h")).tls, tls);
        let cluster = url(&format!("{scheme}-cluster://h:1,h:2"));
        assert_eq!((cluster.topology, cluster.tls), (Place::Cluster { seeds: hosts(&[("h", 1), ("h", 2)]) }, tls));
        assert!(matches!(url(&format!("{scheme}-sentinel://h/s")).topology, Place::Sentinel { .. }));
    }
}

#[test]
fn sentinels_have_their_own_port_service_and_login() {
    let parsed =
        url("redis-sentinel://ada:pw@s1,s2:5000,[::1]/my%20master/3?sentinel_user=eve&sentinel_password=a@b%26");
    let Place::Sentinel { sentinels, service, user, password } = parsed.topology else { panic!("{parsed:?}") };
    assert_eq!(sentinels, hosts(&[("s1", 26_379), ("s2", 5000), ("::1", 26_379)]));
    assert_eq!((service.as_str(), user.as_deref(), parsed.database), ("my master", Some("eve"), 3));
    assert_eq!(password.unwrap().expose(), "a@b&");
    assert_eq!(parsed.user.as_deref(), Some("ada"));
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    assert_eq!(url("redis://[2001:db8::1]:7000").topology, Place::Fixed(HostPort::new("2001:db8::1", 7000)));
    assert_eq!(HostPort::new("::1", 1).to_string(), "[::1]:1");
    assert_eq!(fault("redis://::1:7000"), UrlError::Port);
    assert_eq!(fault("redis://[localhost]"), UrlError::Ipv6);
    assert_eq!(fault("redis://[::1"), UrlError::Ipv6);
}

#[test]
fn every_mistake_is_answered_with_what_to_write() {
    for (text, expected) in [
        ("localhost:6379", UrlError::Scheme),
        ("http://h", UrlError::Scheme),
        ("redis-ring://h", UrlError::Scheme),
        ("redis://", UrlError::Host),
        ("redis://a,", UrlError::Host),
        ("redis://h:port", UrlError::Port),
        ("redis://h:0", UrlError::Port),
        ("redis://h:70000", UrlError::Port),
        ("redis://secret@h", UrlError::NoPassword),
        ("redis://u:pa/ss@h", UrlError::Escape),
        ("redis://u:pa?ss@h", UrlError::Escape),
        ("redis://u:pa#ss@h", UrlError::Escape),
        ("redis://u:100%@h", UrlError::Escape),
        ("redis://u:%ff@h", UrlError::Escape),
        ("redis://a,b", UrlError::ManyHosts),
        ("redis://h/x", UrlError::Database),
        ("redis://h/256", UrlError::Database),
        ("redis://h?db=1", UrlError::Parameter),
        ("redis-cluster://h/1", UrlError::ClusterDatabase),
        ("redis-sentinel://h", UrlError::Service),
        ("redis-sentinel://h/s?sentinel_pass=x", UrlError::Parameter),
        ("redis-sentinel://h/s?sentinel_user=x", UrlError::SentinelPassword),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
}

#[test]
fn passwords_are_never_printed() {
    let parsed = url("rediss-sentinel://ada:hunter2@s/m/1?sentinel_password=hunter2");
    assert_eq!(parsed.to_string(), "rediss-sentinel://ada:***@s:26379/m/1");
    assert!(!format!("{parsed:?}").contains("hunter2"));
    for broken in ["hunter2", "redis://ada:hunter2@h:x", "redis://ada:hun/ter2@h", "redis://hunter2@h"] {
        assert!(!fault(broken).to_string().contains("hun"), "{broken}");
    }
}
