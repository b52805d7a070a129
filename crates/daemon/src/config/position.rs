use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Line and column of a byte, both from 1; columns count characters.
pub(super) fn of_offset(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, text[line_start..offset].chars().count() + 1)
}

/// The dotted key whose name or value covers a byte.
pub(super) fn key_at(text: &str, offset: usize) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    descend(table.get_ref(), offset, &mut path);
    (!path.is_empty()).then(|| path.join("."))
}

/// Where the value of a dotted key begins.
pub(super) fn of_key(text: &str, key: &str) -> Option<(usize, usize)> {
    let table = DeTable::parse(text).ok()?;
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    let mut level = table.get_ref();
    for name in key.split('.') {
        let found = level.iter().find(|(key, _)| key.get_ref().as_ref() == name)?.1;
        if let DeValue::Table(inner) = found.get_ref() {
            level = inner;
        }
        value = Some(found);
    }
    Some(of_offset(text, value?.span().start))
}

/// Where the fault is within a list: at the element that the message quotes; elsewhere `offset` stands.
pub(super) fn of_quoted_element(text: &str, offset: usize, message: &str) -> usize {
    let element = DeTable::parse(text).ok().and_then(|table| quoted_element(table.get_ref(), offset, message));
    element.unwrap_or(offset)
}

fn quoted_element(table: &DeTable<'_>, offset: usize, message: &str) -> Option<usize> {
    table.values().find_map(|value| match value.get_ref() {
        DeValue::Table(inner) => quoted_element(inner, offset, message),
        DeValue::Array(elements) if value.span().contains(&offset) => elements.iter().find_map(|element| {
            let quoted = element.get_ref().as_str().map(|text| format!("`{text}`"))?;
            message.starts_with(&quoted).then(|| element.span().start)
        }),
        _ => None,
    })
}

fn descend(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) {
    for (key, value) in table {
        let covers_key = key.span().contains(&offset);
        let covers_value = value.span().contains(&offset);
        // A table's own span is its header: what is inside may lie outside of it.
        if let DeValue::Table(inner) = value.get_ref() {
            let depth = path.len();
            path.push(key.get_ref().to_string());
            descend(inner, offset, path);
            if path.len() > depth + 1 || covers_key || covers_value {
                return;
            }
            path.truncate(depth);
        } else if covers_key || covers_value {
            path.push(key.get_ref().to_string());
            return;
        }
    }
}
