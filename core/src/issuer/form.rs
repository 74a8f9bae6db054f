//! `application/x-www-form-urlencoded`, strictly: a name that comes twice is believed in neither form.

use std::collections::BTreeMap;

/// The parameters of a form. One without a value counts as left out (RFC 6749, section 3.2).
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Form, String> {
        let mut parameters = BTreeMap::new();
        for pair in body.trim_ascii().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let split = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (decode(&pair[..split]), decode(pair.get(split + 1..).unwrap_or_default()));
            let (Some(name), Some(value)) = (name, value) else {
                return Err("the body is no form: a value is not percent-encoded UTF-8".to_owned());
            };
            // Names that nobody knows are ignored, and not repeated either.
            if parameters.insert(name, value).is_some() {
                return Err("a parameter is there twice".to_owned());
            }
        }
        Ok(Form(parameters))
    }

    /// A parameter's value, if it has one.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}

fn decode(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_strictly() {
        let read =
            |text: &str| Form::parse(text.as_bytes()).map(|form| form.0.into_iter().collect::<Vec<_>>());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("a=1+2&b=%C3%A4&c&d="),
            Ok(vec![pair("a", "1 2"), pair("b", "ä"), pair("c", ""), pair("d", "")])
        );
        for bad in ["a=1&a=2", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
