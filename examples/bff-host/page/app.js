// The page: what it shows, it asks the host for; it keeps no secret, and gets none.

const POLL_MS = 5000;
const PAGE_SIZE = 10;

const $ = (id) => document.getElementById(id);
const views = ["signed-out", "home", "admin", "forbidden"];
const onAdminPage = location.pathname === "/admin";

/** Set once the user was seen signed in: then a 401 is news. */
let signedIn = false;
/** The administrator's place in the list. */
let cursor = null;

// ---- Talking to the host

class SignedOut extends Error {}

/** Every call says that it comes from this page: no other site can set this header. */
async function call(path, { method = "GET", body } = {}) {
  const headers = { "X-CSRF": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    redirect: "error",
  });
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) throw new Error(await reason(response));
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

async function reason(response) {
  if (response.status === 503) return "The session store is not available. Try again in a moment.";
  try {
    return (await response.json()).detail ?? `The host answered ${response.status}.`;
  } catch {
    return `The host answered ${response.status}.`;
  }
}

/** Does what a click asks for, once: until it is done, further clicks do nothing. */
function onClick(button, work) {
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    await guarded(work);
    button.ariaBusy = null;
  });
}

async function guarded(work) {
  try {
    await work();
    $("alert").hidden = true;
  } catch (error) {
    if (error instanceof SignedOut) showSignedOut();
    else complain(error);
  }
}

function complain(error) {
  $("alert").textContent = error.message;
  $("alert").hidden = false;
}

function announce(text) {
  $("status").textContent = text;
}

// ---- Building what is shown, as text: nothing from outside becomes markup

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("data-") || key.startsWith("aria-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

function fill(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

function time(at) {
  if (at === null || at === undefined) return "never";
  const date = new Date(at);
  return element(
    "time",
    { dateTime: date.toISOString(), title: exact.format(date) },
    inWords((date - Date.now()) / 1000),
  );
}

/** Times go on while the page stays. */
function refreshTimes() {
  for (const one of document.querySelectorAll("time")) {
    one.textContent = inWords((new Date(one.dateTime) - Date.now()) / 1000);
  }
}

function inWords(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(Math.round(seconds), "second");
}

function show(view) {
  for (const one of views) $(`view-${one}`).hidden = one !== view;
}

// ---- Signed out

function showSignedOut() {
  // Several calls may hear of it at the same time.
  if (!$("view-signed-out").hidden) return;
  const news = signedIn;
  signedIn = false;
  $("nav").hidden = true;
  $("who").hidden = true;
  $("alert").hidden = true;
  for (const id of ["claims", "session", "devices", "sessions", "api"]) $(id).replaceChildren();
  delete $("devices").dataset.shown;
  $("ended").textContent = news ? "You were signed out: your session has ended." : "";
  $("ended").hidden = !news;
  $("sign-in").href = `/bff/login?returnUrl=${encodeURIComponent(location.pathname)}`;
  document.title = news ? "You were signed out" : "Sign in";
  show("signed-out");
  if (news) $("sign-in").focus();
}

// ---- The user's own page

function showUser(claims) {
  const claim = (type) => claims.find((one) => one.type === type)?.value;
  const name = claim("name") ?? claim("preferred_username") ?? claim("sub");
  $("who-name").textContent = name;
  $("hello").textContent = `Hello, ${name}`;
  $("sign-out").href = claim("bff:logout_url") ?? "/bff/logout";
  const said = claims.filter(({ type }) => !type.startsWith("bff:"));
  fill($("claims"), said.map(({ type, value }) => [type, text(type, value)]));
  $("who").hidden = false;
  for (const link of $("nav").querySelectorAll("a")) {
    const current = (link.dataset.page === "admin") === onAdminPage;
    if (current) link.setAttribute("aria-current", "page");
  }
}

function text(type, value) {
  if (type === "auth_time" && typeof value === "number") return time(value * 1000);
  return typeof value === "string" ? value : element("code", {}, JSON.stringify(value));
}

function showSession(session) {
  $("nav").hidden = !session.administrator;
  $("account").hidden = session.account === null;
  if (session.account !== null) $("account-link").href = session.account;
  const bag = Object.entries(session.bag);
  const shownBag = bag.length === 0 ? "nothing yet" : element("code", {}, JSON.stringify(session.bag));
  const access = session.tokens.access;
  fill($("session"), [
    ["Began", time(session.created)],
    ["Last renewed", time(session.renewed)],
    ["Ends, unused", time(session.expires)],
    ["Ends, at the latest", time(session.ends)],
    ["Kind", session.kind],
    ["Its own data", element("code", {}, JSON.stringify({ name: session.name }))],
    ["In its bag", shownBag],
    ["Access token", access ? withTime("at the host, expires", access.expires) : "none"],
    ["Refresh token", session.tokens.refresh ? "at the host" : "none"],
  ]);
  showCount(session.bag.count ?? 0);
}

function withTime(words, at) {
  if (!at) return words.split(",")[0];
  return element("span", {}, `${words} `, time(at));
}

function showCount(count) {
  // Answers may overtake each other: the highest is the latest.
  const shown = Number($("counter").textContent);
  if (count > shown || !signedIn) $("counter").textContent = count;
}

async function loadDevices({ slide = true } = {}) {
  const sessions = await call(slide ? "/bff/sessions" : "/bff/sessions?slide=false");
  // Whoever has tabbed to a button stays there.
  const news = JSON.stringify(sessions);
  if (news === $("devices").dataset.shown) return;
  $("devices").dataset.shown = news;
  $("end-others").disabled = sessions.length < 2;
  $("devices").replaceChildren(...sessions.map(device));
}

function device(session) {
  const title = element("p", {}, element("strong", {}, "Signed in ", time(session.created)));
  if (session.current) title.append(element("span", { class: "badge" }, "this one"));
  const seen = element("p", { class: "hint" });
  if (session.current) seen.append("In use now");
  else seen.append("Last renewed ", time(session.renewed));
  const row = element("li", {}, element("div", {}, title, seen));
  if (!session.current) {
    const end = element("button", { type: "button", class: "quiet grave small" }, "End this");
    onClick(end, async () => {
      await endDevice(session);
      await loadDevices();
      announce("That session has ended.");
      $("devices-title").focus();
    });
    row.append(end);
  }
  return row;
}

function endDevice(session) {
  return call(`/bff/sessions/${encodeURIComponent(session.id)}`, { method: "DELETE" });
}

function endOtherDevices() {
  return call("/bff/sessions", { method: "DELETE" });
}

async function callApi() {
  const answer = $("api");
  try {
    const said = await call("/api/greeting");
    answer.classList.remove("failed");
    answer.replaceChildren(
      element("p", {}, said.greeting),
      element("p", { class: "hint" }, `It received these headers: ${said.received.join(", ")}.`),
    );
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    answer.classList.add("failed");
    answer.replaceChildren(element("p", {}, error.message));
  }
}

// ---- The administrator's page

async function loadSessions(after) {
  const subject = $("subject").value.trim();
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  if (subject !== "") query.set("subject", subject);
  if (after !== null) query.set("after", after);
  const page = await call(`/admin/sessions?${query}`);
  cursor = page.next;
  $("sessions").replaceChildren(...page.sessions.map(sessionRow));
  $("total").textContent = page.count === 1 ? "1 session" : `${page.count} sessions`;
  $("first-page").disabled = after === null;
  $("next-page").disabled = cursor === null;
  $("end-subject").hidden = subject === "" || page.count === 0;
  $("end-subject").textContent = `End all of ${subject}’s`;
}

function sessionRow(session) {
  const cell = (label, value) => element("td", { "data-label": label }, value);
  const subject = element("strong", {}, session.subject ?? "a visitor");
  const who = session.current
    ? element("span", {}, subject, element("span", { class: "badge" }, "you, here"))
    : subject;
  const end = element("button", { type: "button", class: "quiet grave small" }, "End");
  end.setAttribute("aria-label", `End this session of ${session.subject ?? "a visitor"}`);
  onClick(end, async () => {
    await call("/admin/sessions/end", { method: "POST", body: { id: session.id } });
    await loadSessions(null);
    announce("The session has ended.");
    $("admin-title").focus();
  });
  const times = session.version === 1 ? "once" : `${session.version} times`;
  return element(
    "tr",
    {},
    cell("Subject", who),
    cell("Began", time(session.created)),
    cell("Last renewed", time(session.renewed)),
    cell("Ends", time(session.expires)),
    cell("Changed", session.version === 0 ? "never" : times),
    element("td", {}, end),
  );
}

// ---- Coming and going

async function load() {
  const claims = await call("/bff/user");
  if (claims === null || claims.length === 0) throw new SignedOut();
  showUser(claims);
  const session = await call("/session");
  showSession(session);
  signedIn = true;
  if (!onAdminPage) {
    document.title = "Your session";
    show("home");
    await loadDevices();
  } else if (session.administrator) {
    document.title = "Everybody’s sessions";
    show("admin");
    await loadSessions(null);
  } else {
    document.title = "Not for you";
    show("forbidden");
  }
}

/** Whether the session is still there, without keeping it alive. */
async function look() {
  if (!signedIn || document.hidden) return;
  try {
    showSession(await call("/session?slide=false"));
    if (!onAdminPage) await loadDevices({ slide: false });
    refreshTimes();
  } catch (error) {
    // A host that cannot be reached for a moment is no news.
    if (error instanceof SignedOut) showSignedOut();
  }
}

onClick($("count"), async () => showCount((await call("/session/count", { method: "POST" })).count));
onClick($("call"), callApi);
onClick($("end-others"), async () => {
  await endOtherDevices();
  await loadDevices();
  announce("All other sessions have ended.");
  $("devices-title").focus();
});
onClick($("first-page"), () => loadSessions(null));
onClick($("next-page"), () => loadSessions(cursor));
onClick($("end-subject"), async () => {
  const subject = $("subject").value.trim();
  await call("/admin/sessions/end-all", { method: "POST", body: { subject } });
  announce(`All sessions of ${subject} have ended.`);
  await loadSessions(null);
});
$("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(() => loadSessions(null));
});

setInterval(look, POLL_MS);
document.addEventListener("visibilitychange", look);
addEventListener("focus", look);
addEventListener("pageshow", (event) => event.persisted && location.reload());

guarded(load);
