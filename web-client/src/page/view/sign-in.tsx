import { useState } from "preact/hooks";
import type { Chat } from "../chat";

export function SignIn({ chat, name: lastName }: { chat: Chat; name: string }) {
  const [name, setName] = useState(lastName);
  const [token, setToken] = useState("");
  const enter = (event: Event) => {
    event.preventDefault();
    if (token.trim() !== "") chat.signIn({ kind: "token", token: token.trim() });
    else if (name.trim() !== "") chat.signIn({ kind: "guest", name: name.trim() });
  };
  return (
    <main class="sign-in">
      <form class="card" onSubmit={enter}>
        <img src="./icon.svg" alt="" width="56" height="56" />
        <h1>Hubbub</h1>
        <label>
          Your name
          <input
            name="name"
            value={name}
            maxLength={40}
            autoComplete="nickname"
            placeholder="Ada"
            required={token.trim() === ""}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <details>
          <summary>I have a token</summary>
          <label>
            Token
            <input
              name="token"
              type="password"
              value={token}
              autoComplete="off"
              aria-describedby="token-hint"
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </label>
          <p id="token-hint" class="hint">
            A JSON Web Token of your application. It is kept until this tab is closed.
          </p>
        </details>
        <button type="submit" class="primary">
          Enter
        </button>
      </form>
    </main>
  );
}
