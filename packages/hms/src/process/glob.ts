/** `*` stands for any text, `?` for one character, all else for itself: names such as `[heap]` are written as they are. */
export function matchesGlob(glob: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let i = 0; i < name.length; ) {
    if (glob[at] === "*") {
      star = at++;
      resume = i;
    } else if (at < glob.length && (glob[at] === "?" || glob[at] === name[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      // The last star takes one more; those before it need not be tried again.
      at = star + 1;
      i = ++resume;
    } else return false;
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}
