// Small words for the page's elements. Text from outside enters as text alone.

const STEERING =
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export const $ = (id) => document.getElementById(id);

export function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// A file's name for the reader: what could steer it, or turn its reading around, is spelt out.
export function printable(name) {
  return name.replace(STEERING, spelt);
}

export function spelt(letter) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[letter];
  const code = letter.charCodeAt(0).toString(16);
  return (
    short ?? (code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`)
  );
}

// "1 picture", "2 pictures".
export function counted(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
