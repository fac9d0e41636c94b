import type { KeptStorage } from "../src/sdk";

/** A storage that lives as long as the test. */
export function memoryStorage(): KeptStorage & { readonly size: number } {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    get size() {
      return kept.size;
    },
  };
}
