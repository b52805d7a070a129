use crate::Labelled;

/// What a number is counted by: one label, or two. Its values are known here and nobody can invent another.
pub trait Label: Copy + Send + Sync + 'static {
    /// How many values there are.
    const COUNT: usize;

    /// Every value, in the order of [`Label::place`].
    fn all() -> Vec<Self>;

    /// Where this one stands.
    fn place(self) -> usize;

    /// The labels of this value: keys and words.
    fn pairs(self) -> Vec<(&'static str, &'static str)>;

    /// The keys, and the words that each can have.
    fn described() -> Vec<Labelled> {
        let all: Vec<_> = Self::all().into_iter().map(Self::pairs).collect();
        let keys = all.first().map(|pairs| pairs.iter().map(|(key, _)| *key).collect::<Vec<_>>()).unwrap_or_default();
        let words = |index: usize| {
            let mut words: Vec<_> = all.iter().map(|pairs| pairs[index].1).collect();
            words.sort_unstable();
            words.dedup();
            words.join(", ")
        };
        keys.iter().enumerate().map(|(index, key)| Labelled { key, values: words(index) }).collect()
    }
}

impl<A: Label, B: Label> Label for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn all() -> Vec<Self> {
        A::all().into_iter().flat_map(|a| B::all().into_iter().map(move |b| (a, b))).collect()
    }

    fn place(self) -> usize {
        self.0.place() * B::COUNT + self.1.place()
    }

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        [self.0.pairs(), self.1.pairs()].concat()
    }
}

/// An enum that is a label: its variants, and what Prometheus reads for each.
macro_rules! labels {
    (
        $(#[doc = $doc:literal])+
        $name:ident by $keys:tt { $($(#[doc = $about:literal])+ $variant:ident = $words:tt,)+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl $name {
            /// The one that is called so, for what names its kinds elsewhere.
            pub fn named(word: &str) -> Option<Self> {
                let is_it = |of: &Self| crate::Label::pairs(*of).last().is_some_and(|(_, known)| *known == word);
                <Self as crate::Label>::all().into_iter().find(is_it)
            }
        }

        impl crate::Label for $name {
            const COUNT: usize = [$(Self::$variant),+].len();

            fn all() -> Vec<Self> {
                vec![$(Self::$variant),+]
            }

            fn place(self) -> usize {
                self as usize
            }

            fn pairs(self) -> Vec<(&'static str, &'static str)> {
                match self {
                    $(Self::$variant => $keys.into_iter().zip($words).collect(),)+
                }
            }
        }
    };
}
pub(crate) use labels;
