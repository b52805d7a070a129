/// When a changed key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once: the node takes it over while it runs.
    Live,
    /// When the node is started again.
    NextStart,
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in its table.
    pub name: &'static str,
    /// When a change of it takes effect.
    pub effect: Effect,
    /// Its description, as lines.
    pub lines: &'static [&'static str],
}

impl Key {
    /// The lines that describe it, and its example, if it has one.
    pub fn description(&self) -> (Vec<&'static str>, Option<&'static str>) {
        let example = |line: &&'static str| line.trim().strip_prefix("Example: ");
        let about = self.lines.iter().copied().filter(|line| example(line).is_none()).collect();
        (about, self.lines.iter().find_map(example))
    }
}

impl Effect {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Live => "at once",
            Self::NextStart => "at the next start",
        }
    }
}

/// Declares one table of the configuration file: its struct, its defaults, when a change of each key takes effect, and the
/// words about each key that `config default` prints. All come from one place, so that they cannot contradict each other,
/// and no key lacks one of them.
macro_rules! section {
    (
        $(#[$outer:meta])*
        $name:ident {
            $( $(#[doc = $doc:literal])+ $effect:ident $key:ident: $type:ty = $default:expr, )+
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $name {
            /// Every key.
            pub(super) const KEYS: &'static [$crate::config::Key] = &[$(
                $crate::config::Key {
                    name: stringify!($key),
                    effect: $crate::config::section::effect!($effect),
                    lines: &[$( $doc ),+],
                },
            )+];
        }
    };
}

/// `live`, or `restart`.
macro_rules! effect {
    (live) => {
        $crate::config::Effect::Live
    };
    (restart) => {
        $crate::config::Effect::NextStart
    };
}

pub(super) use {effect, section};
