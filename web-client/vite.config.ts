import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative addresses let the page live under any path, and no file is inlined into the HTML: the gateway serves it
  // under a policy that allows neither inline scripts nor inline styles.
  base: "./",
  build: { target: "es2022", modulePreload: { polyfill: false } },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8080", ws: true } } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.{ts,tsx}"] } },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
