//! A moment as a date and a time of day, in UTC.

use std::time::{Duration, SystemTime};

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Utc {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: u32,
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        let (seconds, millisecond) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (whole_seconds(after), after.subsec_millis()),
            // Rounded down, as after the epoch; a file's date needs no fractions.
            Err(before) => {
                (-whole_seconds(before.duration() + Duration::from_nanos(999_999_999)), 0)
            }
        };
        let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            millisecond,
        }
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    // Beyond the year 9999 every date reads the same.
    const MOST: i64 = 253_402_300_799;
    i64::try_from(duration.as_secs()).unwrap_or(MOST).min(MOST)
}

/// The date that is so many days after 1970-01-01, by eras of 400 years whose years begin in March
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(seconds: i64) -> (i64, i64, i64, i64, i64, i64) {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            SystemTime::UNIX_EPOCH - distance
        } else {
            SystemTime::UNIX_EPOCH + distance
        };
        let utc = Utc::from(time);
        (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @N`.
        assert_eq!(date(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(date(951_782_399), (2000, 2, 28, 23, 59, 59));
        assert_eq!(date(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(date(1_774_087_384), (2026, 3, 21, 10, 3, 4));
        assert_eq!(date(4_107_542_400), (2100, 3, 1, 0, 0, 0));
        assert_eq!(date(-1), (1969, 12, 31, 23, 59, 59));
        assert_eq!(date(i64::MAX).0, 9999);
    }
}
