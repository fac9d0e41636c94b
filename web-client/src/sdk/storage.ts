/** Where things outlive a page: `localStorage` and `sessionStorage` fit. */
export interface KeptStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Keeps a value, or forgets it with `null`. A storage that is full or forbidden keeps nothing, and nothing breaks. */
export function keep(storage: KeptStorage | undefined, key: string, value: string | null): void {
  try {
    if (value === null) storage?.removeItem(key);
    else storage?.setItem(key, value);
  } catch {
    // What cannot be kept lives as long as the page.
  }
}

/** The value that was kept, if it was and can be read. */
export function kept(storage: KeptStorage | undefined, key: string): string | null {
  try {
    return storage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}
