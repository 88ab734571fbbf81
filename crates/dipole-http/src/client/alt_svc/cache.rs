//! What origins have said of where else they can be reached, and what of it has failed.

use std::collections::HashMap;
use std::time::Duration;

use dipole_net::Addr;
use tokio::time::Instant;

use super::field::{AltSvc, Service};

/// The protocol that is looked for.
const HTTP3: &str = "h3";

/// What is kept of one origin's alternatives, or of its failures.
const MAX_PER_ORIGIN: usize = 4;

/// After so many failures in a row the time until the next try grows no more.
const MAX_DOUBLINGS: u32 = 16;

/// The bounds of a [`Cache`].
#[derive(Debug, Clone, Copy)]
pub(in crate::client) struct CacheLimits {
    /// Origins that something is known of.
    pub(in crate::client) origins: usize,
    /// How long something that has failed is not tried again, the first time; twice as long each
    /// time more.
    pub(in crate::client) retry_after: Duration,
    /// The longest that it is not tried again.
    pub(in crate::client) max_retry_after: Duration,
}

/// Where HTTP/3 of an origin can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) struct Alternative {
    pub(in crate::client) addr: Addr,
    /// Host and port as in a URI, for `Alt-Used`; `None` where it was not the origin that said so.
    pub(in crate::client) authority: Option<Box<str>>,
}

/// By origin: host and port as in a URI, in lower case.
pub(in crate::client) struct Cache {
    limits: CacheLimits,
    origins: HashMap<Box<str>, Known>,
}

/// What is known of one origin.
struct Known {
    /// Best first.
    offers: Vec<Offer>,
    /// Until when DNS need not be asked.
    looked_up_until: Option<Instant>,
    /// What has failed; kept also while nothing offers it, for it may be offered again at once.
    failures: Vec<Failure>,
    used: Instant,
}

struct Offer {
    alternative: Alternative,
    /// `None` when it is good for longer than this machine can count.
    until: Option<Instant>,
    persists: bool,
}

struct Failure {
    addr: Addr,
    /// In a row.
    count: u32,
    until: Instant,
}

impl Cache {
    pub(in crate::client) fn new(limits: CacheLimits) -> Self {
        Self { limits, origins: HashMap::new() }
    }

    /// The origin `key`, whose host is `host`, has said so in a response that is `age` old.
    pub(in crate::client) fn note(
        &mut self,
        key: &str,
        host: &str,
        said: AltSvc,
        age: Duration,
        now: Instant,
    ) {
        let services = match said {
            AltSvc::Clear => Vec::new(),
            AltSvc::Services(services) => services,
        };
        let offers: Vec<_> = services
            .into_iter()
            .filter(|service| service.protocol == HTTP3 && service.max_age > age)
            .take(MAX_PER_ORIGIN)
            .map(|service| Offer::new(service, host, age, now))
            .collect();
        if offers.is_empty() && !self.origins.contains_key(key) {
            return;
        }
        self.known(key, now).offers = offers;
    }

    /// True when nothing is known of the origin, and DNS is to be asked: by the caller, and by
    /// nobody else for `patience`.
    pub(in crate::client) fn begin_look_up(
        &mut self,
        key: &str,
        patience: Duration,
        now: Instant,
    ) -> bool {
        let known = self.known(key, now);
        known.offers.retain(|offer| offer.until.is_none_or(|until| now < until));
        let is_known = known.looked_up_until.is_some_and(|until| now < until);
        if is_known || !known.offers.is_empty() {
            return false;
        }
        known.looked_up_until = now.checked_add(patience);
        true
    }

    /// DNS has said where HTTP/3 of the origin is, best first; good for so long. What the origin
    /// itself has said meanwhile goes before it.
    pub(in crate::client) fn looked_up(
        &mut self,
        key: &str,
        addrs: Vec<Addr>,
        good_for: Duration,
        now: Instant,
    ) {
        let until = now.checked_add(good_for);
        let known = self.known(key, now);
        known.looked_up_until = until;
        if known.offers.is_empty() {
            let offer = |addr| Offer {
                alternative: Alternative { addr, authority: None },
                until,
                persists: false,
            };
            known.offers = addrs.into_iter().take(MAX_PER_ORIGIN).map(offer).collect();
        }
    }

    /// Where HTTP/3 of the origin is to be tried, and has not failed lately.
    pub(in crate::client) fn choose(&mut self, key: &str, now: Instant) -> Option<Alternative> {
        let known = self.origins.get_mut(key)?;
        known.offers.retain(|offer| offer.until.is_none_or(|until| now < until));
        let good =
            known.offers.iter().find(|offer| !known.is_shunned(&offer.alternative.addr, now));
        let alternative = good?.alternative.clone();
        known.used = now;
        Some(alternative)
    }

    /// True when HTTP/3 of the origin has failed there, and is not to be tried yet.
    pub(in crate::client) fn is_shunned(&self, key: &str, addr: &Addr, now: Instant) -> bool {
        self.origins.get(key).is_some_and(|known| known.is_shunned(addr, now))
    }

    /// HTTP/3 of the origin has failed there.
    pub(in crate::client) fn failed(&mut self, key: &str, addr: &Addr, now: Instant) {
        let CacheLimits { retry_after, max_retry_after, .. } = self.limits;
        let known = self.known(key, now);
        let before = known.failures.iter().position(|failure| failure.addr == *addr);
        let count = before.map_or(0, |at| known.failures.remove(at).count).saturating_add(1);
        let times = 1 << (count - 1).min(MAX_DOUBLINGS);
        let wait = retry_after.saturating_mul(times).min(max_retry_after);
        if known.failures.len() >= MAX_PER_ORIGIN {
            known.failures.remove(0);
        }
        let until = now.checked_add(wait).unwrap_or(now);
        known.failures.push(Failure { addr: addr.clone(), count, until });
    }

    /// HTTP/3 of the origin works there.
    pub(in crate::client) fn works(&mut self, key: &str, addr: &Addr) {
        if let Some(known) = self.origins.get_mut(key) {
            known.failures.retain(|failure| failure.addr != *addr);
        }
    }

    /// RFC 7838 2.2: what does not say that it persists is of the network that was; and what has
    /// failed there, may work here.
    pub(in crate::client) fn network_changed(&mut self) {
        self.origins.retain(|_, known| {
            known.failures.clear();
            known.looked_up_until = None;
            known.offers.retain(|offer| offer.persists);
            !known.offers.is_empty()
        });
    }

    /// What is known of an origin; where it is a new one, another has to go in its place when
    /// there are too many.
    fn known(&mut self, key: &str, now: Instant) -> &mut Known {
        let most = self.limits.origins.max(1);
        if self.origins.len() >= most && !self.origins.contains_key(key) {
            self.origins.retain(|_, known| known.is_of_use(now));
            while self.origins.len() >= most {
                let oldest = self.origins.iter().min_by_key(|(_, known)| known.used);
                let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
                self.origins.remove(&oldest);
            }
        }
        let new =
            || Known { offers: Vec::new(), looked_up_until: None, failures: Vec::new(), used: now };
        let known = self.origins.entry(key.into()).or_insert_with(new);
        known.used = now;
        known
    }
}

impl Offer {
    fn new(service: Service, host: &str, age: Duration, now: Instant) -> Self {
        let Service { host: own, port, max_age, persists, .. } = service;
        let host = if own.is_empty() { host } else { &own };
        let authority: Box<str> = format!("{host}:{port}").into();
        let authority = Some(authority);
        let alternative = Alternative { addr: Addr::host(host, port), authority };
        Self { alternative, until: now.checked_add(max_age.saturating_sub(age)), persists }
    }
}

impl Known {
    fn is_shunned(&self, addr: &Addr, now: Instant) -> bool {
        self.failures.iter().any(|failure| failure.addr == *addr && now < failure.until)
    }

    fn is_of_use(&self, now: Instant) -> bool {
        self.offers.iter().any(|offer| offer.until.is_none_or(|until| now < until))
            || self.failures.iter().any(|failure| now < failure.until)
            || self.looked_up_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::read;
    use super::*;

    const KEY: &str = "example.org";

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn cache(origins: usize) -> Cache {
        Cache::new(CacheLimits { origins, retry_after: secs(60), max_retry_after: secs(200) })
    }

    fn note(cache: &mut Cache, key: &str, value: &str, age: u64, now: Instant) {
        cache.note(key, key, read(value.as_bytes()).expect("a field"), secs(age), now);
    }

    fn chosen(cache: &mut Cache, now: Instant) -> Option<String> {
        cache.choose(KEY, now)?.authority.map(String::from)
    }

    #[test]
    fn an_alternative_is_good_for_its_time_from_when_it_was_said() {
        let (mut cache, now) = (cache(8), Instant::now());
        note(&mut cache, KEY, r#"h2=":1", h3=":443"; ma=100"#, 40, now);
        assert_eq!(chosen(&mut cache, now + secs(59)).as_deref(), Some("example.org:443"));
        assert_eq!(chosen(&mut cache, now + secs(60)), None);
        note(&mut cache, KEY, r#"h3=":443"; ma=100"#, 100, now);
        assert_eq!(chosen(&mut cache, now), None);
    }

    #[test]
    fn what_is_said_later_takes_the_place_of_what_was_said_before() {
        let (mut cache, now) = (cache(8), Instant::now());
        note(&mut cache, KEY, r#"h3="a:1""#, 0, now);
        note(&mut cache, KEY, r#"h3="b:2""#, 0, now);
        assert_eq!(chosen(&mut cache, now).as_deref(), Some("b:2"));
        note(&mut cache, KEY, "clear", 0, now);
        assert_eq!(chosen(&mut cache, now), None);
    }

    #[test]
    fn what_has_failed_is_not_tried_for_longer_each_time_also_when_it_is_said_again() {
        let (mut cache, mut now) = (cache(8), Instant::now());
        let addr = Addr::host(KEY, 443);
        for wait in [60, 120, 200, 200] {
            note(&mut cache, KEY, r#"h3=":443""#, 0, now);
            assert_eq!(chosen(&mut cache, now).as_deref(), Some("example.org:443"));
            cache.failed(KEY, &addr, now);
            note(&mut cache, KEY, r#"h3=":443""#, 0, now);
            assert_eq!(chosen(&mut cache, now + secs(wait - 1)), None, "{wait}");
            now += secs(wait);
        }
        cache.works(KEY, &addr);
        cache.failed(KEY, &addr, now);
        assert!(cache.is_shunned(KEY, &addr, now + secs(59)));
        assert!(!cache.is_shunned(KEY, &addr, now + secs(60)));
    }

    #[test]
    fn the_next_best_is_tried_where_the_best_has_failed() {
        let (mut cache, now) = (cache(8), Instant::now());
        note(&mut cache, KEY, r#"h3="a:1", h3="b:2""#, 0, now);
        cache.failed(KEY, &Addr::host("a", 1), now);
        assert_eq!(chosen(&mut cache, now).as_deref(), Some("b:2"));
    }

    #[test]
    fn a_change_of_network_leaves_what_persists() {
        let (mut cache, now) = (cache(8), Instant::now());
        note(&mut cache, KEY, r#"h3="a:1", h3="b:2"; persist=1"#, 0, now);
        cache.failed(KEY, &Addr::host("b", 2), now);
        cache.network_changed();
        assert_eq!(chosen(&mut cache, now).as_deref(), Some("b:2"));
    }

    #[test]
    fn there_are_no_more_origins_than_allowed_and_the_oldest_goes_first() {
        let (mut cache, now) = (cache(3), Instant::now());
        for (at, key) in ["a", "b", "c"].into_iter().enumerate() {
            note(&mut cache, key, r#"h3=":1""#, 0, now + secs(at as u64));
        }
        assert!(cache.choose("a", now + secs(5)).is_some());
        note(&mut cache, "d", r#"h3=":1""#, 0, now + secs(6));
        assert_eq!(cache.origins.len(), 3);
        let mut left: Vec<_> = cache.origins.keys().map(|key| &**key).collect();
        left.sort_unstable();
        assert_eq!(left, ["a", "c", "d"]);
    }

    #[test]
    fn dns_is_asked_once_for_its_time_and_the_origin_goes_before_it() {
        let (mut cache, now) = (cache(8), Instant::now());
        let addr = Addr::host("dns", 1);
        assert!(cache.begin_look_up(KEY, secs(1), now));
        assert!(!cache.begin_look_up(KEY, secs(1), now));
        cache.looked_up(KEY, vec![addr.clone()], secs(10), now);
        let chosen = cache.choose(KEY, now).expect("an alternative");
        assert_eq!(chosen, Alternative { addr, authority: None });
        assert!(!cache.begin_look_up(KEY, secs(1), now + secs(9)));
        assert!(cache.begin_look_up(KEY, secs(1), now + secs(10)));
        note(&mut cache, KEY, r#"h3="a:1""#, 0, now + secs(10));
        cache.looked_up(KEY, vec![Addr::host("dns", 2)], secs(10), now + secs(10));
        assert_eq!(cache.choose(KEY, now + secs(11)).expect("one").addr, Addr::host("a", 1));
        // That there is nothing is remembered, too.
        assert!(cache.begin_look_up("other", secs(1), now));
        cache.looked_up("other", Vec::new(), secs(10), now);
        assert!(!cache.begin_look_up("other", secs(1), now + secs(9)));
    }

    #[test]
    fn an_origin_that_has_said_nothing_of_http3_takes_no_place() {
        let (mut cache, now) = (cache(3), Instant::now());
        note(&mut cache, KEY, r#"h2=":443""#, 0, now);
        note(&mut cache, KEY, "clear", 0, now);
        assert!(cache.origins.is_empty());
    }
}
