//! Keeps the arrows between the crates: who may depend on whom, and who must not know what.
//!
//! The table below is the one of ARCHITECTURE.md. A change here is a change of the architecture,
//! and is made in both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate of the workspace.
struct Rule {
    name: &'static str,
    /// The crates of the workspace that it may depend on.
    own: &'static [&'static str],
    /// The crates of others that it may depend on.
    foreign: Foreign,
}

/// Which crates of others a crate may depend on.
enum Foreign {
    /// Those only.
    Only(&'static [&'static str]),
    /// Any: the crate stands at the top.
    Any,
}

use Foreign::{Any, Only};

/// Dependencies at run time: the arrows. From the bottom to the top.
const RULES: &[Rule] = &[
    Rule {
        // The contract. Neither an executor nor sockets, TLS, QUIC, HTTP.
        name: "dipole-net",
        own: &[],
        foreign: Only(&["bytes"]),
    },
    Rule {
        // Pieces for authors of network libraries. `hyper` is its I/O traits, for the adapters.
        name: "dipole-io",
        own: &["dipole-net"],
        foreign: Only(&["bytes", "hyper", "tokio", "tokio-util"]),
    },
    Rule {
        // What the libraries over the system's sockets share. `tokio` looks names up.
        name: "dipole-sockets",
        own: &["dipole-net"],
        foreign: Only(&["socket2", "tokio"]),
    },
    Rule {
        // A network library. Neither HTTP nor another library.
        name: "dipole-tokio",
        own: &["dipole-net", "dipole-io", "dipole-sockets"],
        foreign: Only(&["bytes", "socket2", "tokio"]),
    },
    Rule {
        // A network library. Neither HTTP nor another library.
        name: "dipole-sim",
        own: &["dipole-net"],
        foreign: Only(&["bytes", "tokio"]),
    },
    Rule {
        // A network library; the one crate with unsafe code, in one module. Neither HTTP nor
        // another library.
        name: "dipole-uring",
        own: &["dipole-net", "dipole-io", "dipole-sockets"],
        foreign: Only(&["bytes", "io-uring", "libc", "rustix", "socket2", "tokio"]),
    },
    Rule {
        // A network library of streams. Neither HTTP nor another library.
        name: "dipole-quinn",
        own: &["dipole-net", "dipole-io", "dipole-sockets", "dipole-tls"],
        foreign: Only(&["bytes", "quinn", "quinn-proto", "rustls", "tokio"]),
    },
    Rule {
        // A network library of streams. Neither HTTP nor another library.
        name: "dipole-s2n",
        own: &["dipole-net", "dipole-io", "dipole-sockets", "dipole-tls"],
        foreign: Only(&["bytes", "rustls", "s2n-quic", "tokio"]),
    },
    Rule {
        // The example of a network library of one's own: what a user's may depend on.
        name: "own-network",
        own: &["dipole-net", "dipole-io"],
        foreign: Only(&["rustix", "tokio"]),
    },
    Rule {
        // The example of a network library of streams of one's own, over any of byte streams.
        name: "own-streams",
        own: &["dipole-net", "dipole-io"],
        foreign: Only(&["bytes", "tokio"]),
    },
    Rule {
        // TLS over any connection. Neither HTTP nor a network library.
        name: "dipole-tls",
        own: &["dipole-net", "dipole-io"],
        foreign: Only(&["bytes", "rcgen", "rustls", "rustls-platform-verifier", "tokio"]),
    },
    Rule {
        // Wrappers over any network library. Neither HTTP nor a library of its own.
        name: "dipole-layers",
        own: &["dipole-net", "dipole-io"],
        foreign: Only(&["bytes", "tokio", "tracing"]),
    },
    Rule {
        // Dialers over any dialer: proxies, resolvers. Of HTTP the answer to CONNECT alone.
        name: "dipole-dialers",
        own: &["dipole-net", "dipole-sockets"],
        foreign: Only(&["base64", "percent-encoding", "tokio"]),
    },
    Rule {
        // What a client does around its requests, as tower layers.
        name: "dipole-fetch",
        own: &["dipole-net", "dipole-http"],
        foreign: Only(&[
            "bytes",
            "cookie_store",
            "http",
            "http-body",
            "percent-encoding",
            "publicsuffix",
            "tokio",
            "tower",
            "tower-http",
            "tower-layer",
            "tower-service",
            "url",
        ]),
    },
    Rule {
        // The kit. `rustix` counts the process's descriptors and memory.
        name: "dipole-conformance",
        own: &["dipole-net"],
        foreign: Only(&["bytes", "rustix", "serde", "serde_json", "tokio"]),
    },
    Rule {
        // Server and client. No network library: they come as values.
        name: "dipole-http",
        own: &["dipole-net", "dipole-io"],
        foreign: Only(&[
            "base64",
            "bytes",
            "futures-core",
            "h2",
            "http",
            "http-body",
            "httpdate",
            "hyper",
            "pin-project-lite",
            "serde",
            "serde_json",
            "serde_urlencoded",
            "tokio",
            "tower-layer",
            "tower-service",
            "tracing",
            "try-lock",
        ]),
    },
    Rule {
        // Around services and clients. No network library.
        name: "dipole-observe",
        own: &["dipole-net", "dipole-http"],
        foreign: Only(&[
            "bytes",
            "http",
            "http-body",
            "metrics",
            "pin-project-lite",
            "tokio",
            "tower-layer",
            "tower-service",
            "tracing",
        ]),
    },
    Rule {
        // Around a client, and beside a server. No network library.
        name: "dipole-balance",
        own: &["dipole-net", "dipole-http"],
        foreign: Only(&[
            "bytes",
            "futures-core",
            "http",
            "http-body",
            "pin-project-lite",
            "tokio",
            "tower",
            "tower-layer",
            "tower-service",
            "tracing",
        ]),
    },
    Rule {
        // Names for clients and dialers, endpoints for balancing. No network library.
        name: "dipole-dns",
        own: &["dipole-net", "dipole-http", "dipole-dialers", "dipole-balance"],
        foreign: Only(&["bytes", "hickory-resolver"]),
    },
    Rule {
        name: "dipole",
        own: &[
            "dipole-dns",
            "dipole-balance",
            "dipole-observe",
            "dipole-net",
            "dipole-io",
            "dipole-tokio",
            "dipole-uring",
            "dipole-quinn",
            "dipole-s2n",
            "dipole-sim",
            "dipole-layers",
            "dipole-tls",
            "dipole-conformance",
            "dipole-dialers",
            "dipole-fetch",
            "dipole-http",
        ],
        foreign: Any,
    },
    Rule {
        // The command. Nothing depends on it.
        name: "dipole-cli",
        own: &[
            "dipole-dns",
            "dipole-balance",
            "dipole-observe",
            "dipole-net",
            "dipole-io",
            "dipole-sockets",
            "dipole-tokio",
            "dipole-uring",
            "dipole-quinn",
            "dipole-s2n",
            "dipole-sim",
            "dipole-layers",
            "dipole-tls",
            "dipole-conformance",
            "dipole-dialers",
            "dipole-fetch",
            "dipole-http",
            "dipole",
        ],
        foreign: Any,
    },
];

/// The network libraries that may use tokio's sockets; and the kit, whose relay is in their way.
const ON_SOCKETS: &[&str] =
    &["dipole-sockets", "dipole-tokio", "dipole-uring", "dipole-conformance", "own-network"];

/// The one crate that has unsafe code, in one module.
const WITH_UNSAFE: &str = "dipole-uring";

/// The concrete network libraries, as their names are in code.
const LIBRARIES: &[&str] =
    &["dipole_tokio", "dipole_uring", "dipole_quinn", "dipole_s2n", "dipole_sim"];

#[test]
fn every_crate_depends_only_on_what_it_may_know() {
    let packages = packages();
    let mut wrong = Vec::new();
    for package in &packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            wrong.push(format!("{} has no rule in this test", package.name));
            continue;
        };
        for dependency in package.dependencies(Kind::Normal) {
            if !rule.allows(&dependency.name) {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    for rule in RULES {
        if !packages.iter().any(|package| package.name == rule.name) {
            wrong.push(format!("the rule for {} has no crate", rule.name));
        }
    }
    assert_none("arrows that must not be", &wrong);
}

#[test]
fn the_contract_is_tested_with_nothing_but_itself() {
    let packages = packages();
    let contract = named(&packages, "dipole-net");
    let wrong = contract
        .dependencies(Kind::Development)
        .chain(contract.dependencies(Kind::Build))
        .map(|dependency| format!("{} -> {}", contract.name, dependency.name))
        .collect::<Vec<_>>();
    assert_none("arrows that must not be", &wrong);
}

#[test]
fn nothing_depends_on_the_command_even_in_tests() {
    let wrong = packages()
        .iter()
        .filter(|package| package.all.iter().any(|to| to.name == "dipole-cli"))
        .map(|package| format!("{} -> dipole-cli", package.name))
        .collect::<Vec<_>>();
    assert_none("arrows that must not be", &wrong);
}

#[test]
fn only_network_libraries_of_sockets_have_sockets_of_tokio() {
    let mut wrong = Vec::new();
    for package in packages() {
        for dependency in package.dependencies(Kind::Normal) {
            let has_sockets = dependency
                .features
                .iter()
                .any(|feature| matches!(feature.as_str(), "net" | "full"));
            if dependency.name == "tokio"
                && has_sockets
                && !ON_SOCKETS.contains(&package.name.as_str())
            {
                wrong.push(format!("{} -> tokio with `net`", package.name));
            }
        }
    }
    assert_none("arrows that must not be", &wrong);
}

#[test]
fn no_code_below_the_top_names_a_network_library() {
    let packages = packages();
    let mut wrong = Vec::new();
    for name in ["dipole-net", "dipole-io", "dipole-conformance", "dipole-http"] {
        for file in sources(&named(&packages, name).folder.join("src")) {
            for (text, line) in read(&file).lines().zip(1..) {
                // An example in the documentation may show any library.
                if text.trim_start().starts_with("//") {
                    continue;
                }
                for library in LIBRARIES.iter().filter(|library| text.contains(**library)) {
                    wrong.push(format!("{}:{line} names {library}", file.display()));
                }
            }
        }
    }
    assert_none("names that must not be", &wrong);
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let wrong = packages()
        .iter()
        .filter(|package| !has_line(&package.folder, "lints", "workspace = true"))
        .map(|package| package.name.clone())
        .collect::<Vec<_>>();
    assert_none("crates without `[lints] workspace = true`", &wrong);
}

#[test]
fn unsafe_code_is_forbidden_but_in_one_crate() {
    let mut wrong = Vec::new();
    for package in packages().iter().filter(|package| package.name != WITH_UNSAFE) {
        for root in ["src/lib.rs", "src/main.rs"].map(|name| package.folder.join(name)) {
            if root.exists() && !read(&root).lines().any(|line| line == "#![forbid(unsafe_code)]") {
                wrong.push(root.display().to_string());
            }
        }
    }
    assert_none("crates that do not forbid unsafe code", &wrong);
}

#[test]
fn unsafe_code_is_denied_by_the_workspace() {
    let metadata = metadata();
    let root = Path::new(text(&metadata["workspace_root"]));
    let lint = "unsafe_code = \"deny\"";
    assert!(has_line(root, "workspace.lints.rust", lint), "the workspace's manifest has no {lint}");
}

impl Rule {
    fn allows(&self, dependency: &str) -> bool {
        let is_ours = RULES.iter().any(|rule| rule.name == dependency);
        match self.foreign {
            _ if is_ours => self.own.contains(&dependency),
            Only(names) => names.contains(&dependency),
            Any => true,
        }
    }
}

/// A crate of the workspace, as cargo knows it.
struct Package {
    name: String,
    folder: PathBuf,
    all: Vec<Dependency>,
}

/// One arrow.
struct Dependency {
    name: String,
    kind: Kind,
    features: Vec<String>,
}

/// What a dependency is for.
#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Normal,
    Development,
    Build,
}

impl Package {
    fn dependencies(&self, kind: Kind) -> impl Iterator<Item = &Dependency> {
        self.all.iter().filter(move |to| to.kind == kind)
    }
}

/// The crates of the workspace, with the dependencies of every feature and target.
fn packages() -> Vec<Package> {
    let package = |package: &Value| Package {
        name: text(&package["name"]).to_owned(),
        folder: Path::new(text(&package["manifest_path"]))
            .parent()
            .expect("a manifest is in a folder")
            .to_owned(),
        all: list(&package["dependencies"]).iter().map(dependency).collect(),
    };
    list(&metadata()["packages"]).iter().map(package).collect()
}

fn dependency(dependency: &Value) -> Dependency {
    Dependency {
        name: text(&dependency["name"]).to_owned(),
        kind: match dependency["kind"].as_str() {
            None => Kind::Normal,
            Some("dev") => Kind::Development,
            Some("build") => Kind::Build,
            Some(other) => panic!("a kind of dependency that this test does not know: {other}"),
        },
        features: list(&dependency["features"])
            .iter()
            .map(|feature| text(feature).to_owned())
            .collect(),
    }
}

fn named<'a>(packages: &'a [Package], name: &str) -> &'a Package {
    packages
        .iter()
        .find(|package| package.name == name)
        .unwrap_or_else(|| panic!("there is no crate {name}"))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs: it has built this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// The Rust files in a folder and the folders below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// True when the manifest in `folder` has `line` in the table `[table]`.
fn has_line(folder: &Path, table: &str, line: &str) -> bool {
    let manifest = read(&folder.join("Cargo.toml"));
    let header = format!("[{table}]");
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|text| *text != header)
        .skip(1)
        .take_while(|text| !text.starts_with('['))
        .any(|text| text == line)
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo metadata has a text here")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("cargo metadata has a list here")
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}
