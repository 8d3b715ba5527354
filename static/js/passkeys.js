/* Passkeys. A form with data-passkey asks the browser for a credential when it is submitted, and then sends it in its hidden field.
     create  makes a passkey        data-options: what the server asks for
     get     proves that it is you  data-options
     fetch   the same, with options that are fetched from the form's own address */
(() => {
  "use strict";

  // ── Bytes and the text that JSON carries them in (base64url) ────────────────────────────────────────────────────────
  const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const toText = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join(""))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
  const known = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));

  /* A credential as JSON. Only browsers newer than ours have toJSON(). */
  function asJson(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    };
  }

  // ── Asking the browser ──────────────────────────────────────────────────────────────────────────────────────────────
  function create({ publicKey }, form) {
    const alone = form.querySelector("[name=passwordless]")?.checked === true;
    const selection = { ...publicKey.authenticatorSelection, residentKey: alone ? "required" : "discouraged", requireResidentKey: alone };
    if (alone) selection.userVerification = "required";
    return navigator.credentials.create({
      publicKey: {
        ...publicKey,
        challenge: toBytes(publicKey.challenge),
        user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
        excludeCredentials: known(publicKey.excludeCredentials),
        authenticatorSelection: selection,
      },
    });
  }

  const get = ({ publicKey }) =>
    navigator.credentials.get({
      publicKey: { ...publicKey, challenge: toBytes(publicKey.challenge), allowCredentials: known(publicKey.allowCredentials) },
    });

  async function optionsOf(form) {
    if (form.dataset.passkey !== "fetch") return JSON.parse(form.dataset.options);
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status === 429 ? "Too many attempts. Wait a minute." : "The portal does not answer.");
    return (await answer.json()).request_options;
  }

  /* Why it did not work, for the person. Names: Web Authentication, level 3, sections 5.1.3 and 5.1.4. */
  function sentence(error) {
    if (error.name === "NotAllowedError") return "Nothing was used: it was cancelled, took too long, or there is no passkey for this portal here.";
    if (error.name === "InvalidStateError") return "This device has a passkey for your account already.";
    if (error.name === "SecurityError") return "Passkeys do not work under this address: open the portal by its name, with https.";
    return error instanceof DOMException ? "The device could not do it. Try another passkey, or another way to sign in." : error.message;
  }

  // ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  function say(form, text) {
    const place = form.querySelector("[data-passkey-error]");
    place.querySelector("p").textContent = text;
    place.hidden = text === "";
  }

  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    say(form, "");
    try {
      const options = await optionsOf(form);
      const credential = form.dataset.passkey === "create" ? await create(options, form) : await get(options);
      form.querySelector("[data-passkey-credential]").value = JSON.stringify(asJson(credential));
      HTMLFormElement.prototype.submit.call(form);
    } catch (error) {
      say(form, sentence(error));
      button.disabled = false;
      button.focus();
    }
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    if (window.PublicKeyCredential) {
      form.addEventListener("submit", submit);
    } else {
      form.querySelector("button[type=submit]").disabled = true;
      say(form, "This browser knows no passkeys.");
    }
  }
})();
