//! What the command line asks for.

/// What is to be run.
pub(crate) enum Arguments {
    /// The filters name other tests.
    Nothing,
    /// The run of this seed.
    One(u64),
    /// The runs of so many seeds.
    Runs(u64),
}

/// Understands the arguments that `cargo test` gives to every test.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Arguments {
    let mut filters = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let number = arguments.next().and_then(|text| text.parse().ok());
            number.unwrap_or_else(|| panic!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--seed" => return Arguments::One(number()),
            "--runs" => return Arguments::Runs(number()),
            "--list" | "--ignored" => return Arguments::Nothing,
            "--skip" | "--test-threads" | "--color" | "--format" => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    match filters.is_empty() || filters.iter().any(|filter| "simulated".contains(&**filter)) {
        true => Arguments::Runs(crate::FEW),
        false => Arguments::Nothing,
    }
}
