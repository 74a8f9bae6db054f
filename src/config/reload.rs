//! What a reload may change: callers, profiles, the log's level, schedules and rules. All else needs a restart.

use super::Config;
use crate::keyset::Keyset;

impl Config {
    /// The sections in which `new` differs, all of which a running process can take over.
    ///
    /// # Errors
    /// Which settings have changed that cannot be taken over: a sentence.
    pub fn reloadable_changes(&self, new: &Config) -> Result<Vec<&'static str>, String> {
        let fixed = [
            ("role", self.role == new.role),
            ("state_dir", self.state_dir == new.state_dir),
            ("drain_timeout", self.drain_timeout == new.drain_timeout),
            ("livekit.path", self.livekit.path == new.livekit.path),
            ("livekit.proof", self.livekit.proof == new.livekit.proof),
            ("store", self.store == new.store),
            ("publish", self.publish == new.publish),
            ("sign", self.sign == new.sign),
            ("admin", self.admin == new.admin),
            ("metrics", self.metrics == new.metrics),
            ("log.format", self.log.format == new.log.format),
            ("keyset (names and paths)", places(self).eq(places(new))),
        ];
        let restart: Vec<_> = fixed.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
        if !restart.is_empty() {
            return Err(format!("these changes need a restart: {}", restart.join(", ")));
        }
        let free = [
            ("log.level", self.log.level == new.log.level),
            ("rules and schedules", rules(self).eq(rules(new))),
        ];
        Ok(free.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect())
    }
}

fn places(config: &Config) -> impl Iterator<Item = (&str, &str)> {
    config.keysets.iter().map(|keyset| (keyset.keyset.name.as_str(), keyset.keyset.path.as_str()))
}

fn rules(config: &Config) -> impl Iterator<Item = &Keyset> {
    config.keysets.iter().map(|keyset| &keyset.keyset)
}
