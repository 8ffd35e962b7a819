// Requests to the agent, with the token if this tab has one.

const KEY = "database-watcher-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** As fetch(), never from a cache. */
export function ask(url, options = {}) {
  const headers = new Headers(options.headers);
  if (token.get()) headers.set("Authorization", `Bearer ${token.get()}`);
  return fetch(url, { cache: "no-store", ...options, headers });
}
