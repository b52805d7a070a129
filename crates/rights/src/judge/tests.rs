use std::time::{Duration, Instant};

use super::*;
use crate::{Key, Limit, Namespace, Role, Who};

/// Rules as they stand in a file: `[default]`, `[[allow]]`, `[[deny]]`, `[[namespace]]`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    default: Fallback,
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    namespace: Vec<Namespace>,
}

fn rights(text: &str) -> Rights {
    let Written { default, allow, deny, namespace: namespaces } = toml::from_str(text).expect("rules");
    Rights::new(Rules { default, allow, deny, namespaces, limits: Vec::new() }).expect("possible rules")
}

fn fault(text: &str) -> (At, String) {
    let Written { default, allow, deny, namespace: namespaces } = toml::from_str(text).expect("rules");
    let fault = Rights::located(Rules { default, allow, deny, namespaces, limits: Vec::new() }).unwrap_err();
    (fault.0, fault.1.to_string())
}

/// A rule about nobody would deny nothing, and nobody would notice.
#[test]
fn agencies_and_names_are_no_patterns() {
    for who in ["{ agency = \"agencyB*\" }", "{ agency = \"*\" }", "{ agency = \"agencyB\", name = \"shop*\" }"] {
        for (table, rest) in [("allow", "publish = [\"a\"]"), ("deny", "publish = [\"a\"]")] {
            let (at, words) = fault(&format!("[[{table}]]\nwho = {who}\n{rest}\n"));
            assert_eq!(at.1, 1);
            assert!(words.contains("is taken as it is written, and would mean nobody"), "{words}");
        }
        let (_, words) = fault(&format!("[[namespace]]\nname = \"n\"\nmembers = [{who}]\n"));
        assert!(words.contains("agencies and names have no `*`"), "{words}");
    }
}

fn shop() -> Party {
    Party { keys: vec![Key::Hash([1; 32])], ..Party::sdk("agencyB", "shop") }
}

fn node(agency: &str) -> Party {
    Party::node(agency, "node0", &[2; 64])
}

#[test]
fn without_a_rule_everybody_may_everything() {
    let open = rights("");
    assert!(open.is_open() && open == Rights::default());
    for act in Act::ALL {
        assert!(open.judge(&shop().subject(), act, "any").is_allowed());
    }
}

#[test]
fn one_line_turns_it_to_nothing() {
    let closed = rights(r#"default = "deny""#);
    assert!(!closed.is_open());
    for act in Act::ALL {
        let verdict = closed.judge(&shop().subject(), act, "any");
        assert!(!verdict.is_allowed() && verdict.to_string().contains("default"), "{verdict}");
    }
}

#[test]
fn each_act_has_its_own_topics_and_a_denial_counts_before_what_allows() {
    let rights = rights(
        r#"
        default = "deny"
        allow = [
            { who = { agency = "agencyB" }, publish = ["orders*"], subscribe = ["prices", "orders/done"] },
            { publish = ["open"], see = ["*"] },
        ]
        deny = [
            { who = { agency = "agencyB", role = "sdk" }, publish = ["orders/internal*"] },
            { see = ["secret*"] },
        ]"#,
    );
    let (sdk, node_b, node_a) = (shop(), node("agencyB"), node("agencyA"));
    let may = |party: &Party, act, topic| rights.judge(&party.subject(), act, topic).is_allowed();
    use Act::{Publish, See, Subscribe};
    for (party, act, topic, expected) in [
        (&sdk, Publish, "orders", true),
        (&sdk, Publish, "orders/1", true),
        (&sdk, Publish, "order", false),
        (&sdk, Publish, "prices", false),
        (&sdk, Subscribe, "prices", true),
        (&sdk, Subscribe, "prices/1", false),
        (&sdk, Subscribe, "orders", false),
        (&sdk, Publish, "orders/internal/1", false),
        (&node_b, Publish, "orders/internal/1", true),
        (&node_a, Publish, "orders", false),
        (&node_a, Publish, "open", true),
        (&node_a, See, "orders", true),
        (&node_a, See, "secret/1", false),
    ] {
        assert_eq!(may(party, act, topic), expected, "{party:?} {act} {topic}");
    }
    let verdict = rights.judge(&sdk.subject(), Publish, "orders/internal");
    assert_eq!(verdict.ground, Ground::Deny(1));
    assert_eq!(verdict.to_string(), "[[rights.deny]] number 1 denies it");
}

#[test]
fn whoever_may_use_a_topic_sees_it_and_no_other() {
    let rights = rights(
        r#"
        default = "deny"
        allow = [{ publish = ["a"] }, { subscribe = ["b"] }, { see = ["c"] }]"#,
    );
    let sees = |topic| rights.judge(&shop().subject(), Act::See, topic).is_allowed();
    assert_eq!(["a", "b", "c", "d"].map(sees), [true, true, true, false]);
    let may = |topic| rights.judge(&shop().subject(), Act::Subscribe, topic).is_allowed();
    assert_eq!(["a", "b", "c"].map(may), [false, true, false]);
}

#[test]
fn the_order_of_rules_means_nothing() {
    let rules = [r#"{ publish = ["a*"] }"#, r#"{ who = { role = "sdk" }, publish = ["ab"] }"#];
    for allow in [rules, [rules[1], rules[0]]] {
        let text = format!("default = \"deny\"\nallow = [{}]\ndeny = [{{ publish = [\"abc*\"] }}]", allow.join(", "));
        let rights = rights(&text);
        let may = |topic| rights.judge(&shop().subject(), Act::Publish, topic).is_allowed();
        assert_eq!(["a", "ab", "abc", "b"].map(may), [true, true, false, false]);
    }
}

#[test]
fn a_namespace_is_its_members_and_what_has_none_is_everybodys() {
    let rights = rights(
        r#"
        namespace = [
            { name = "settlement", members = [{ agency = "agencyA" }, { agency = "agencyB", role = "node" }] },
            { name = "nobodys", members = [] },
        ]
        deny = [{ who = { agency = "agencyA" }, publish = ["settlement/closed"] }]"#,
    );
    let at = |sdk: Party, agency| Party { node: Some(Box::new(node(agency))), ..sdk };
    let a = || Party::sdk("agencyA", "sdk");
    for (party, topic, expected) in [
        (at(a(), "agencyA"), "settlement/x", true),
        (at(a(), "agencyA"), "settlement/closed", false),
        (at(a(), "agencyA"), "nobodys/x", false),
        (at(a(), "agencyC"), "settlement/x", false),
        (at(shop(), "agencyA"), "settlement/x", false),
        (node("agencyB"), "settlement/x", true),
        (node("agencyC"), "settlement/x", false),
        (node("agencyC"), "settlement", true),
        (node("agencyC"), "settlements/x", true),
        (node("agencyC"), "x/settlement/", true),
        (node("agencyC"), "orders", true),
    ] {
        for act in [Act::Publish, Act::Subscribe, Act::See] {
            if topic != "settlement/closed" || act == Act::Publish {
                assert_eq!(
                    rights.judge(&party.subject(), act, topic).is_allowed(),
                    expected,
                    "{party:?} {act} {topic}"
                );
            }
        }
    }
    let not_here = at(a(), "agencyC");
    let verdict = rights.judge(&not_here.subject(), Act::Publish, "settlement/x");
    assert_eq!(verdict.ground, Ground::NodeOutside { namespace: "settlement" });
    let member = at(a(), "agencyA");
    assert_eq!(rights.namespaces_of(&member.subject()).collect::<Vec<_>>(), ["settlement"]);
}

#[test]
fn under_deny_a_namespace_opens_nothing_by_itself() {
    let text = |allow: &str| {
        format!(
            "default = \"deny\"\nnamespace = [{{ name = \"n\", members = [{{ agency = \"agencyB\" }}] }}]\nallow = [{allow}]"
        )
    };
    let (closed, open) = (rights(&text("")), rights(&text("{ publish = [\"n/*\"] }")));
    assert!(!closed.judge(&shop().subject(), Act::Publish, "n/x").is_allowed());
    assert!(open.judge(&shop().subject(), Act::Publish, "n/x").is_allowed());
    assert!(
        !open.judge(&Party::sdk("agencyA", "sdk").subject(), Act::Publish, "n/x").is_allowed(),
        "`*` lets nobody in"
    );
}

#[test]
fn nodes_of_namespaces_are_shown_to_their_members_and_others_to_all() {
    let rights = rights(
        r#"namespace = [
            { name = "one", members = [{ agency = "agencyA" }] },
            { name = "two", members = [{ agency = "agencyA" }, { agency = "agencyB" }] },
            { name = "three", members = [{ agency = "agencyC" }] },
        ]"#,
    );
    let sees =
        |viewer: &str, shown: &str| rights.may_see_node(&Party::sdk(viewer, "sdk").subject(), &node(shown).subject());
    assert!(sees("agencyA", "agencyB") && sees("agencyB", "agencyA"));
    assert!(!sees("agencyA", "agencyC") && !sees("agencyC", "agencyB") && !sees("agencyD", "agencyA"));
    assert!(sees("agencyC", "agencyD") && sees("agencyD", "agencyD"), "a node of no namespace");
    assert!(!sees("agencyA", ""), "it may be of any");
    let without = Rights::default();
    assert!(without.may_see_node(&Party::sdk("agencyA", "sdk").subject(), &node("").subject()));
}

#[test]
fn of_all_quotas_about_somebody_the_least_counts() {
    let limit = |who, per, quota| Limit { who, per, quota };
    let (of_b, sdks) =
        (Who { agency: Some("agencyB".into()), ..Who::default() }, Who { role: Some(Role::Sdk), ..Who::default() });
    let quota = |messages, sessions| Quota { messages, sessions, ..Quota::default() };
    let limits = vec![
        limit(Who::default(), Per::Credential, quota(Some(100), None)),
        limit(of_b.clone(), Per::Credential, quota(Some(10), Some(3))),
        limit(sdks, Per::Credential, quota(None, Some(5))),
        limit(of_b, Per::Agency, quota(Some(50), None)),
    ];
    let rights = Rights::new(Rules { limits, ..Rules::default() }).unwrap();
    assert!(!rights.is_open());
    let own = rights.quotas(&shop().subject());
    assert_eq!(own, Quotas { credential: quota(Some(10), Some(3)), agency: quota(Some(50), None) });
    let below = Party::sdk("agencyB/x", "sdk");
    assert_eq!(rights.quotas(&below.subject()).agency, quota(Some(50), None));
    let other = rights.quotas(&node("agencyA").subject());
    assert_eq!(other, Quotas { credential: quota(Some(100), None), agency: Quota::default() });
}

#[test]
fn rules_that_cannot_be_are_refused_with_their_place() {
    for (text, at, words) in [
        (r#"allow = [{ publish = ["a"] }, { who = { agency = "x" } }]"#, ("rights.allow", 2), "names no topics"),
        (r#"deny = [{ who = { name = "x" }, publish = ["a"] }]"#, ("rights.deny", 1), "every agency can issue"),
        (r#"deny = [{ who = { agency = "" }, publish = ["a"] }]"#, ("rights.deny", 1), "at least one character"),
        (r#"namespace = [{ name = "a/b", members = [] }]"#, ("rights.namespace", 1), "no name for a namespace"),
        (r##"namespace = [{ name = "#!$x", members = [] }]"##, ("rights.namespace", 1), "no name for a namespace"),
        (r#"namespace = [{ name = "_block_notify_1", members = [] }]"#, ("rights.namespace", 1), "no name"),
        (r#"namespace = [{ name = "", members = [] }]"#, ("rights.namespace", 1), "no name"),
        (
            r#"namespace = [{ name = "a", members = [] }, { name = "a", members = [] }]"#,
            ("rights.namespace", 2),
            "twice",
        ),
        (r#"namespace = [{ name = "a", members = [{}] }]"#, ("rights.namespace", 1), "every certificate"),
    ] {
        let (found, error) = fault(text);
        assert_eq!(found, at, "{text}");
        assert!(error.contains(words), "{text}: {error}");
    }
    let limit = |who, per, quota| {
        let limits = vec![Limit { who, per, quota }];
        Rights::located(Rules { limits, ..Rules::default() }).unwrap_err()
    };
    let named = Who { agency: Some("a".into()), name: Some("b".into()), ..Who::default() };
    assert_eq!(limit(named, Per::Agency, Quota::default()).1, Fault::NotAnAgency);
    assert_eq!(limit(Who::default(), Per::Agency, Quota::default()), (("rights.quota", 1), Fault::NoLimit));
    let none = Quota { messages: Some(0), ..Quota::default() };
    assert_eq!(limit(Who::default(), Per::Credential, none).1, Fault::Zero { what: "messages" });
}

#[test]
fn words_that_no_rule_knows_are_refused() {
    for text in [
        r#"allow = [{ publsh = ["a"] }]"#,
        r#"allow = [{ who = { org = "a" }, publish = ["a"] }]"#,
        r#"allow = [{ who = { role = "operator" }, publish = ["a"] }]"#,
        r#"allow = [{ who = { key = "abc" }, publish = ["a"] }]"#,
        r#"deny = [{ subscribe = ["a*b"] }]"#,
        r#"default = "maybe""#,
        r#"namespace = [{ name = "a" }]"#,
    ] {
        assert!(toml::from_str::<Written>(text).is_err(), "{text}");
    }
}

#[test]
fn ten_thousand_rules_take_no_longer_than_a_few() {
    let rule = |n: usize| {
        let agency = Some(format!("agency{}", n % 100));
        let (who, patterns) = match n % 4 {
            0 => (Who { agency, ..Who::default() }, vec![format!("topic{n}")]),
            1 => (Who { agency, name: Some(format!("sdk{n}")), ..Who::default() }, vec!["*".to_owned()]),
            2 => (
                Who { key: Some(Key::Hash([n as u8; 32])), ..Who::default() },
                vec![format!("{}*", "t".repeat(n % 250))],
            ),
            _ => (Who { agency, ..Who::default() }, vec!["same".to_owned()]),
        };
        Rule { who, publish: patterns.iter().map(|text| text.parse().unwrap()).collect(), ..Rule::default() }
    };
    let allow: Vec<Rule> = (0..10_000).map(rule).collect();
    let rights = Rights::new(Rules { default: Fallback::Deny, allow: allow.clone(), ..Rules::default() }).unwrap();
    let long = "t".repeat(254);
    let parties: Vec<Party> = (0..100).map(|n| Party::sdk(format!("agency{n}"), format!("sdk{}", n + 1))).collect();
    let topics = ["topic8", "same", "nobody's", long.as_str(), "价格"];
    let started = Instant::now();
    let mut asked = 0;
    for party in &parties {
        for topic in topics {
            let by_index = rights.judge(&party.subject(), Act::Publish, topic).is_allowed();
            let names = |rule: &Rule| rule.publish.iter().any(|pattern| pattern.names(topic));
            let one_by_one = allow.iter().any(|rule| names(rule) && rule.who.is(&party.subject()));
            assert_eq!(by_index, one_by_one, "{party:?} {topic}");
            asked += 1;
        }
    }
    assert_eq!(asked, 500);
    let of_both = started.elapsed();
    let started = Instant::now();
    for _ in 0..20 {
        for (party, topic) in parties.iter().zip(topics.iter().cycle()) {
            rights.judge(&party.subject(), Act::Publish, topic);
        }
    }
    assert!(started.elapsed() < of_both / 2 + Duration::from_millis(1), "2,000 of it: {:?}", started.elapsed());
}

/// A topic is its bytes: nothing in it is a way, and nothing is folded.
#[test]
fn no_way_of_writing_a_topic_leads_out_of_its_namespace_or_past_a_rule() {
    let rights = rights(
        r#"
        default = "allow"
        [[namespace]]
        name = "a"
        members = [{ agency = "agencyA" }]
        [[namespace]]
        name = "b"
        members = [{ agency = "agencyB" }]
        [[deny]]
        who = { agency = "agencyB" }
        publish = ["secret*", "\u00e9"]
        "#,
    );
    let may = |topic: &str| rights.judge(&shop().subject(), Act::Publish, topic).is_allowed();
    for of_a in ["a/", "a/x", "a/../b/x", "a/../../b", "a//b", "a/./x", "a/\u{202e}b", "a/b/x", "a/*"] {
        assert!(!may(of_a), "{of_a:?}");
    }
    for of_b in ["b/x", "b/../a/x", "b/a/x", "b//a"] {
        assert!(may(of_b), "{of_b:?}");
    }
    // Names of no namespace: whoever is in one hears nothing of them there.
    for of_nobody in ["a", "/a/x", "./a/x", "A/x", "a\\x", "a\u{2215}x", "a%2fx", "\u{430}/x", " a/x", "..", "/", ""] {
        assert!(may(of_nobody), "{of_nobody:?}");
        assert_eq!(rights.namespace_of(of_nobody), None, "{of_nobody:?}");
    }
    for denied in ["secret", "secret/../x", "secrets", "\u{e9}"] {
        assert!(!may(denied), "{denied:?}");
    }
    // Other topics, whatever they look like: nobody who listens to the one hears of the other.
    for other in ["Secret", " secret", "se\u{200b}cret", "e\u{301}", "\u{e9}x"] {
        assert!(may(other), "{other:?}");
    }
}
