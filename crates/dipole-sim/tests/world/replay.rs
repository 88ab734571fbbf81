//! The same seed gives the same run, and an hour takes seconds.

use std::time::Duration;

use dipole_net::{ConnExt, DialerExt};
use dipole_sim::{Config, Network, Simulation};
use tokio::time::{Instant, sleep};

use crate::{accept, addr, listen, ms, secs};

/// Answers each line of eight bytes with the same.
async fn echo(network: Network, text: String) {
    let mut listener = listen(&network, &text);
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let mut conn = accept(&mut listener).await;
        tasks.spawn(async move {
            while let Ok(line) = conn.read_binary(8).await {
                if conn.write_all(&line).await.is_err() {
                    break;
                }
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}

/// Asks one host after the other until `end`; gives how many answers came.
async fn ask(network: Network, own: u64, hosts: u64, every: Duration, end: Instant) -> u64 {
    let mut answers = 0;
    for round in 0_u64.. {
        sleep(every).await;
        if Instant::now() >= end {
            break;
        }
        let host = (own + 1 + round % (hosts - 1)) % hosts;
        let to = addr(&format!("sim:host{host}:7"));
        let Ok(mut conn) = network.dial_timeout(&to, Some(secs(2))).await else {
            continue;
        };
        conn.set_read_timeout(Some(secs(2)));
        let line = (own << 32 | round).to_le_bytes();
        if conn.write_all(&line).await.is_err() {
            continue;
        }
        if let Ok(answer) = conn.read_binary(8).await {
            assert_eq!(answer[..], line);
            answers += 1;
        }
    }
    answers
}

/// Hosts that ask each other, while some are cut off and some crash; gives the log and the answers.
async fn world(network: Network, hosts: u64, every: Duration, lasts: Duration) -> (String, u64) {
    network.begin_log();
    let end = Instant::now() + lasts;
    let mut servers: Vec<_> = (0..hosts)
        .map(|own| {
            let place = format!("sim:host{own}:7");
            network.host(&format!("host{own}"), move |network| echo(network, place.clone()))
        })
        .collect();
    let clients: Vec<_> = (0..hosts)
        .map(|own| {
            let network = network.at(&format!("host{own}"));
            tokio::spawn(ask(network, own, hosts, every, end))
        })
        .collect();
    for round in 0.. {
        sleep(lasts / 10).await;
        if Instant::now() >= end {
            break;
        }
        let (one, other) = (round % hosts, (round * 7 + 3) % hosts);
        network.cut(&format!("host{one}"), &format!("host{other}"));
        servers[one as usize].restart();
        if round % 3 == 2 {
            network.mend_all();
        }
    }
    let mut answers = 0;
    for client in clients {
        answers += client.await.unwrap();
    }
    (network.log(), answers)
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let run = |seed| {
        Simulation::new(Config::far(seed, 0.05)).run(|network| world(network, 5, ms(100), secs(60)))
    };
    let (log, answers) = run(11);
    assert!(answers > 500, "{answers}");
    assert!(log.lines().count() > 2_000);
    assert!(run(11).0 == log, "the logs differ");
    assert!(run(12).0 != log);
}

#[test]
fn an_hour_of_a_hundred_hosts_takes_seconds() {
    let (_, answers) = Simulation::new(Config::far(1, 0.01))
        .run(|network| world(network, 100, secs(10), secs(3600)));
    assert!(answers > 30_000, "{answers}");
}

#[test]
#[ignore = "fails on purpose, for the test below"]
#[should_panic(expected = "on purpose")]
fn a_scenario_that_fails() {
    Simulation::new(Config::far(4711, 0.01)).run(|_| async { panic!("on purpose") });
}

#[test]
fn a_failing_run_says_its_seed() {
    let program = std::env::current_exe().expect("this program");
    let arguments = ["--ignored", "--exact", "replay::a_scenario_that_fails", "--nocapture"];
    let ended = std::process::Command::new(program).args(arguments).output().expect("it runs");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{text}");
    assert!(text.contains("the simulation failed; seed 4711 replays it"), "{text}");
}

#[test]
fn a_scenario_that_waits_for_ever_ends_at_its_limit() {
    let failed = std::panic::catch_unwind(|| {
        Simulation::new(Config::default()).limit(secs(60)).run(|_| std::future::pending::<()>());
    });
    let text = failed.expect_err("it passes its limit");
    assert_eq!(
        text.downcast_ref::<String>().map(String::as_str),
        Some("did not end within 60s of virtual time")
    );
}
