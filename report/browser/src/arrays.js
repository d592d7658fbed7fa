// Long arrays of numbers, gone through fast.

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
