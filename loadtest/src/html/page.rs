//! The frame around every page: title, style, and nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::plot;

const STYLE: &str = include_str!("page.css");

/// A whole page.
pub(super) fn page(title: &str, summary: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – hubbub-loadtest" }
                style { (PreEscaped(STYLE)) (PreEscaped(plot::style())) }
            }
            body {
                header { h1 { (title) } p { (summary) } }
                main { (body) }
                footer { "Made by hubbub-loadtest " (env!("CARGO_PKG_VERSION")) "." }
            }
        }
    };
    page.into_string()
}
