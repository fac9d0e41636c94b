//! The session cookie.

use axum::http::{HeaderMap, HeaderValue, header};

/// The value of a cookie; where a browser sends several of one name, the first is the one that fits best.
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"').to_owned())
}

/// What a browser is told to keep, so that no script can read it and no other site's form can send it.
#[derive(Debug, Clone, Copy)]
pub struct SetCookie<'a> {
    /// The cookie's name.
    pub name: &'a str,
    /// The session's secret.
    pub value: &'a str,
    /// How long the browser keeps it; 0: it forgets it.
    pub max_age_s: u64,
    /// Whether it may only travel encrypted: that is so where it was set over HTTPS.
    pub secure: bool,
}

impl SetCookie<'_> {
    /// The value of `Set-Cookie`. `None` where the name or the secret holds what no header may.
    pub fn header(&self) -> Option<HeaderValue> {
        let Self { name, value, max_age_s, secure } = self;
        let secure = if *secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Max-Age={max_age_s}; Path=/; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::try_from(cookie).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers, "session"), None);
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark; my_session=no;  session=\"s3cret\""));
        headers.append(header::COOKIE, HeaderValue::from_static("session=other"));
        assert_eq!(read(&headers, "session").as_deref(), Some("s3cret"));
        assert_eq!(read(&headers, "sess"), None);
    }

    #[test]
    fn no_script_and_no_other_site_gets_at_the_cookie() {
        let cookie = SetCookie { name: "session", value: "s3cret", max_age_s: 60, secure: false };
        let header = cookie.header().unwrap();
        assert_eq!(header, "session=s3cret; Max-Age=60; Path=/; HttpOnly; SameSite=Lax");
        let header = SetCookie { secure: true, ..cookie }.header().unwrap();
        assert_eq!(header, "session=s3cret; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure");
    }
}
