//! What a client does after the end of a connection, by the ranges of the protocol (§7).

use hubbub_shared::CloseCode;

use crate::connection::Ending;

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    ComeBack,
    /// With a fresh credential.
    ComeBackAnew,
    StayAway,
}

pub(super) fn after(ending: &Ending) -> Advice {
    match ending {
        Ending::Lost => Advice::ComeBack,
        Ending::Closed(code) if *code == CloseCode::CredentialExpired.number() => Advice::ComeBackAnew,
        Ending::Closed(1002 | 1003 | 1007 | 1009 | 4500..=4999) => Advice::StayAway,
        Ending::Closed(_) => Advice::ComeBack,
    }
}

/// The end as it stands in the report.
pub(super) fn name(ending: &Ending) -> String {
    match ending {
        Ending::Lost => "1006 lost without a close frame".to_owned(),
        Ending::Closed(number) => match CloseCode::ALL.iter().find(|code| code.number() == *number) {
            Some(code) => format!("{number} {}", code.reason()),
            None => number.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_the_code_decides_who_comes_back() {
        for code in CloseCode::ALL {
            let expected = match code.number() {
                4003 => Advice::ComeBackAnew,
                4000..4500 => Advice::ComeBack,
                _ => Advice::StayAway,
            };
            assert_eq!(after(&Ending::Closed(code.number())), expected, "{code:?}");
        }
        for code in [1000, 1001, 1005, 1011, 1012, 1013, 1014, 4099] {
            assert_eq!(after(&Ending::Closed(code)), Advice::ComeBack, "{code}");
        }
        for code in [1002, 1003, 1007, 1009, 4500, 4999] {
            assert_eq!(after(&Ending::Closed(code)), Advice::StayAway, "{code}");
        }
        assert_eq!(after(&Ending::Lost), Advice::ComeBack);
    }

    #[test]
    fn an_end_is_named_by_its_code() {
        assert_eq!(name(&Ending::Closed(4504)), "4504 the session or user was revoked: log in again");
        assert_eq!(name(&Ending::Closed(1001)), "1001");
    }
}
