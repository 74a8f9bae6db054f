use serde_json::json;

use super::*;

fn subject() -> Subject {
    let groups: Vec<_> = (0..500).map(|number| format!("group-{number}")).collect();
    Subject::new(
        &json!({
            "sub": "ann", "level": 3, "share": 0.5, "groups": groups, "admin": true, "nothing": null,
            "org": {"unit": "physics"}, "long": "x".repeat(20_000), "huge": u64::MAX,
        }),
        &json!({"room": "demo", "attributes": {}}),
    )
}

fn compiled(source: &str) -> Expression {
    Expression::compile(source).expect("it compiles")
}

#[test]
fn claims_and_the_request_can_be_asked() {
    for (source, text) in [
        ("claims.sub", "ann"),
        ("'u-' + claims.sub", "u-ann"),
        ("claims.org.unit + '/' + request.room", "physics/demo"),
        ("has(claims.email) ? claims.email : claims.sub", "ann"),
        ("claims.groups.filter(g, g.endsWith('-42'))[0]", "group-42"),
        ("string(claims.level + 1)", "4"),
        ("claims.level == 3 && claims.share < 1.0 ? 'yes' : 'no'", "yes"),
        ("claims['org']['unit']", "physics"),
    ] {
        assert_eq!(compiled(source).text(&subject()), Ok(text.to_owned()), "{source}");
    }
    for (source, truth) in [
        ("'group-7' in claims.groups", true),
        ("claims.groups.exists(g, g.matches('^group-39$'))", true),
        ("claims.groups.all(g, g.startsWith('team-'))", false),
        ("claims.admin && claims.nothing == null", true),
        ("has(request.name)", false),
        ("type(claims.sub) == string", true),
    ] {
        assert_eq!(compiled(source).truth(&subject()), Ok(truth), "{source}");
    }
}

#[test]
fn errors_and_wrong_types_are_told_apart_from_values() {
    for (source, failed) in [
        ("claims.email", Failed::Missing),
        ("claims.org.unit.more", Failed::Error),
        ("string(1 / (claims.level - 3))", Failed::Error),
        ("string(9223372036854775807 + claims.level)", Failed::Error),
        ("claims.groups[500]", Failed::Error),
        ("claims.level", Failed::WrongType),
        ("claims.nothing", Failed::WrongType),
        ("claims.groups", Failed::WrongType),
        ("claims.admin", Failed::WrongType),
    ] {
        assert_eq!(compiled(source).text(&subject()), Err(failed), "{source}");
    }
    assert_eq!(compiled("claims.sub").truth(&subject()), Err(Failed::WrongType));
    assert_eq!(compiled("1 / 0 == 1").truth(&subject()), Err(Failed::Error));
}

#[test]
fn what_would_run_for_ever_is_ended() {
    let endless = [
        "claims.groups.all(a, claims.groups.all(b, a + b != ''))",
        "claims.groups.exists(a, claims.groups.exists(b, a + b == ''))",
        "size(claims.groups.map(a, claims.groups.map(b, a + b))) == 0",
        "size(claims.groups.filter(a, claims.groups.exists(b, b == a + a))) == 1",
        "claims.groups.exists_one(a, claims.groups.exists(b, a + b == ''))",
        "(claims.groups + claims.groups + claims.groups + claims.groups + claims.groups + claims.groups + claims.groups + claims.groups + claims.groups).all(g, g != '')",
        "claims.groups.exists(g, g.matches('^nobody$'))",
        "claims.long + claims.long + claims.long + claims.long == ''",
        "[claims.long + claims.long].map(a, [a + a].map(b, b + b))[0][0] == ''",
    ];
    for source in endless {
        let began = std::time::Instant::now();
        assert_eq!(compiled(source).truth(&subject()), Err(Failed::TooMuch), "{source}");
        assert!(began.elapsed().as_secs() < 5, "{source} took {:?}", began.elapsed());
    }
}

#[test]
fn what_is_too_deep_or_unknown_does_not_compile() {
    let deep = |open: &str, close: &str, count: usize| {
        format!("{}claims.sub{}", open.repeat(count), close.repeat(count))
    };
    for (source, why) in [
        (deep("(", ")", 10_000), "bytes"),
        (deep("(", ")", 1000), "opening brackets"),
        (deep("[", "]", 1000), "opening brackets"),
        (deep("{1:", "}", 300), "opening brackets"),
        (deep("(", ")", 128), ""),
        (deep("[", "]", 128), "deep"),
        (deep("size(", ")", 128), "deep"),
        (deep("", "[0]", 128), "deep"),
        (deep("", ".a", 2000), "deep"),
        (vec!["1"; 2000].join("+"), "deep"),
        (vec!["1"; 2000].join("<"), "deep"),
        (format!("{}true", "!".repeat(4000)), ""),
        (vec!["true"; 600].join("&&"), ""),
        ("true?1:".repeat(100) + "1", ""),
        ("[1].all(a, [1].all(b, [1].all(c, true)))".to_owned(), "loops"),
        ("claim.sub".to_owned(), "did you mean `claims`"),
        ("environment".to_owned(), "only `claims` and `request`"),
        ("[1].all(a, true) && a == 1".to_owned(), "no `a`"),
        ("claims.groups.contians('x')".to_owned(), "did you mean `contains`"),
        ("claims.sub.matches(claims.pattern)".to_owned(), "in quotes"),
        ("claims.sub.matches('(')".to_owned(), "no regular expression"),
        ("claims.sub =".to_owned(), "no CEL"),
        (String::new(), "no CEL"),
        ("@round(true)".to_owned(), "no CEL"),
        ("google.protobuf.Duration{}".to_owned(), "message"),
    ] {
        let compiled = Expression::compile(&source);
        let short: String = source.chars().take(40).collect();
        match compiled {
            // What is shallow after all must run.
            Ok(expression) => {
                assert!(why.is_empty(), "{short} compiled");
                assert_ne!(expression.text(&subject()), Err(Failed::TooMuch), "{short}");
            }
            Err(error) => assert!(error.contains(why), "{short}: {error}"),
        }
    }
}

/// As deep as each way to nest may go; what it gives is of no account.
#[test]
fn the_deepest_that_compiles_runs_on_an_ordinary_stack() {
    let around = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let shapes: [&dyn Fn(usize) -> String; 7] = [
        &|depth| vec!["'a'"; depth].join(" + "),
        &|depth| vec!["1"; depth].join(" * "),
        &|depth| around("[", "1", "]", depth),
        &|depth| around("{'a': ", "1", "}", depth),
        &|depth| around("string(", "'a'", ")", depth),
        &|depth| around("[1].all(a, [1].all(b, ", &around("string(", "'a'", ")", depth), " == 'a'))", 1),
        &|depth| around("(true ? ", "'a'", " : 'b')", depth),
    ];
    for shape in shapes {
        let deepest = (1..64).rev().find_map(|depth| Expression::compile(&shape(depth)).ok());
        let deepest = deepest.expect("something compiles");
        assert!(deepest.source().len() > 40, "{deepest:?}");
        let run = thread::Builder::new().stack_size(2 << 20).spawn(move || deepest.text(&subject()));
        assert_ne!(run.expect("a thread").join().expect("it has stack enough"), Err(Failed::TooMuch));
    }
}
