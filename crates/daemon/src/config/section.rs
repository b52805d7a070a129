/// Declares one table of the configuration file: its struct, its defaults, and the words about each key that
/// `config default` prints. All three come from one place, so that they cannot contradict each other.
macro_rules! section {
    (
        $(#[$outer:meta])*
        $name:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr, )+
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
            /// Every key with the lines of its description.
            pub(super) const KEYS: &'static [(&'static str, &'static [&'static str])] =
                &[$( (stringify!($key), &[$( $doc ),+]), )+];
        }
    };
}

pub(super) use section;
