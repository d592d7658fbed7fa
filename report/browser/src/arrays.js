// Arrays of numbers and bytes, gone through fast where they are long.

// The numbers of an array, changed one by one, as an array of another kind.
export function mapped(Kind, numbers, change) {
  const result = new Kind(numbers.length);
  for (let i = 0; i < numbers.length; i++) result[i] = change(numbers[i], i);
  return result;
}

// The least and the greatest of many numbers.
export function range(numbers) {
  let low = Infinity;
  let high = -Infinity;
  for (const each of numbers) {
    if (each < low) low = each;
    if (each > high) high = each;
  }
  return [low, high];
}

// Bytes behind each other.
export function joined(parts) {
  if (parts.length === 1) return parts[0];
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    result.set(part, place);
    place += part.length;
  }
  return result;
}

// Some bytes as text, a letter each.
export function text(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}
