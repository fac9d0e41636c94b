//! The manual and the options are one.

use super::*;

#[test]
fn the_manual_is_exactly_the_defaults() {
    assert_eq!(toml::from_str::<Config>(MANUAL).unwrap(), Config::default());
    assert_eq!(Config::load(&Sources::default()).unwrap(), Config::default());
    assert_eq!(load(MANUAL, &[]).unwrap(), Config::default());
}

#[test]
fn the_manual_holds_every_option_and_no_other() {
    // Serde lists what a table may hold when it meets something else.
    let fields = |table: &str| -> Vec<String> {
        let error = toml::from_str::<Config>(&format!("{table}\nnothing = 1")).unwrap_err();
        let (_, expected) = error.message().split_once(", expected ").unwrap();
        let mut fields: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        fields.sort();
        fields
    };
    let known = Known::new();
    let keys = |path: &str| -> Vec<String> {
        let Value::Table(table) = known.option(path).unwrap() else { panic!("{path} is no table") };
        table.keys().cloned().collect()
    };
    for section in ["server", "connection", "auth", "limits", "hub", "broker", "log"] {
        assert_eq!(keys(section), fields(&format!("[{section}]")), "[{section}]");
    }
    assert_eq!(keys("rooms[0]"), fields("[[rooms]]"));
    let sections: Vec<String> = defaults().value().as_table().unwrap().keys().cloned().collect();
    assert_eq!(sections, fields(""));
}

#[test]
fn the_example_of_an_api_key_works_once_its_comment_signs_are_gone() {
    let (_, example) = MANUAL.split_once("# [[auth.api_keys]]").unwrap();
    let example = example.split("\n\n").next().unwrap().replace("\n# ", "\n");
    let config = load(&format!("[[auth.api_keys]]{example}"), &[]).unwrap();
    assert_eq!(config.auth.api_keys[0].name, "backend");
}
