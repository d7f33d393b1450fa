/*! loopin.js, Apache-2.0 */
// Readable source of loopin.js, which `make generated` builds from it. ES2018, no dependencies, no eval. It is at
// most 4096 bytes gzipped (a test holds that), so it says things once and leaves to the server what that can do.
(() => {
  "use strict";
  const VERSION = "0.1.0";
  const win = window;
  const doc = document;
  const nav = navigator;

  // Names in localStorage; the first is the cookie's too. A queued event is an entry of its own, named QUEUE, the
  // write key, and its uuid: appending reads nothing, so tabs cannot overwrite each other's events, and names
  // sort as the events came.
  const PREFIX = "loopin_";
  const ID = PREFIX + "id";
  const USER = PREFIX + "user";
  const SESSION = PREFIX + "session";
  const GROUPS = PREFIX + "groups";
  const CONSENT = PREFIX + "consent";
  const WAIT = PREFIX + "wait";
  const QUEUE = PREFIX + "queue_";

  const SECOND = 1000; // all times are in ms
  const MINUTE = 60 * SECOND;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const IDLE = 30 * MINUTE;
  const DELAY = 3 * SECOND; // events of so long share a request
  const PATIENCE = 20 * SECOND; // how long a server may take to answer, and a tab that sends keeps others from it
  const SETTLING = SECOND / 5;
  const LONGEST_BACKOFF_S = 300;
  const COOKIE_S = (365 * DAY) / SECOND;

  const EVENT_BYTES = 32768; // a server takes no larger properties
  const REQUEST_BYTES = 60000; // browsers refuse beacons, and fetches that outlive their page, of 64 KB
  const NAME_TYPES = "string";
  const ID_TYPES = "string number";
  const LONGEST_TEXT = 200; // in characters, of a name and of an id
  const QUEUED_EVENTS = 1000;
  const QUEUED_CHARACTERS = 1e6; // the page's localStorage holds 5 MB, and it is the page's
  const ERRORS_PER_MINUTE = 10;

  // Query parameters that say where a visitor came from.
  const CAMPAIGN = /^(utm_\w+|gad_source|gbraid|wbraid|dclid|[gf]bclid|gclid|msclkid|ttclid|twclid|li_fat_id|mc_cid)$/;

  const script = doc.currentScript;
  const early = win.loopin || {};
  if (early.init && !early.q) return; // loaded twice
  const calls = early.q || []; // made before init
  const api = {};

  let options;
  let url;
  let queueName;
  let begun;
  let timer;
  let failures = 0;
  let refused; // the last failure was a server's answer, so coming back online does not end it
  let flying = []; // names of the events of the request under way
  let lastUuid = 0;
  let dropped = 0; // events since the last one queued
  let referrer = doc.referrer;
  let here; // the page of the last $pageview
  let shown; // since when the page is seen, without what a $pageleave has counted
  let errorsSince = 0;
  let errors;
  let vitals = () => {};

  const warn = (...words) => console.warn("loopin:", ...words);

  const safe =
    (work) =>
    (...given) => {
      try {
        return work(...given);
      } catch (error) {
        warn(error);
      }
    };

  // What a server would refuse is refused at the call, where the page's author sees it.
  const check = (given, types) => {
    if (!given || !types.includes(typeof given) || [..."" + given].length > LONGEST_TEXT) throw given + " refused";
  };

  const listen = (target, name, work) => target.addEventListener(name, safe(work), true);

  // For what a browser may refuse: a sandboxed frame has no storage, and a full storage takes no more.
  const attempt = (work) => {
    try {
      return work();
    } catch (error) {
      return undefined;
    }
  };

  // --- storage: localStorage, or else memory ------------------------------------------------------------------

  const memory = {};
  const disk = attempt(() => win.localStorage);

  const get = (name) => memory[name] || attempt(() => disk.getItem(name));

  const remove = (name) => {
    delete memory[name];
    attempt(() => disk.removeItem(name));
  };

  const put = (name, value) => {
    delete memory[name];
    attempt(() => disk.setItem(name, value));
    if (get(name) != value) memory[name] = value;
  };

  const names = (prefix) =>
    Object.keys(disk || {})
      .concat(Object.keys(memory))
      .filter((name) => name.startsWith(prefix))
      .sort();

  const readCookie = () => attempt(() => doc.cookie.match(/(?:^|; )loopin_id=([\w-]{8,64})/)[1]);

  const writeCookie = (value, seconds) =>
    attempt(() => {
      doc.cookie =
        ID +
        `=${value};path=/;samesite=lax;max-age=` +
        seconds +
        (location.protocol == "https:" ? ";secure" : "") +
        (options.cookieDomain ? ";domain=" + options.cookieDomain : "");
    });

  const forget = (entries) => {
    entries.forEach(remove);
    writeCookie("", 0);
  };

  // --- consent ------------------------------------------------------------------------------------------------

  const switched = (option) => ![undefined, false, "false"].includes(options[option]);

  const required = () => options.consent == "required";

  const objected = () =>
    nav.globalPrivacyControl ||
    (!switched("ignoreDnt") && (nav.doNotTrack || win.doNotTrack) == 1);

  const allowed = () => !objected() && (get(CONSENT) == "yes" || !(required() || get(CONSENT)));

  const consent = (given) => {
    if (!given) {
      forget(names(PREFIX));
      if (!required()) put(CONSENT, "no");
    } else if (!allowed() && !objected()) {
      put(CONSENT, "yes");
      begin();
    }
  };

  // --- who ----------------------------------------------------------------------------------------------------

  // UUIDv7 (RFC 9562); within a page its time never repeats, so that names of queued events sort.
  const uuid = () => {
    lastUuid = Math.max(lastUuid + 1, Date.now());
    const time = lastUuid.toString(16).padStart(12, "0");
    const random = crypto.getRandomValues(new Uint8Array(28));
    return (
      time.slice(0, 8) +
      `-${time.slice(8)}-7xxx-yxxx-xxxxxxxxxxxx`.replace(/[xy]/g, (kind, at) =>
        (kind == "x" ? random[at] & 15 : (random[at] & 3) | 8).toString(16),
      )
    );
  };

  const anonymous = () => {
    const known = get(ID);
    const id = known || readCookie() || uuid();
    if (!known) put(ID, id);
    return id;
  };

  // When a uuid was made.
  const born = (id) => parseInt(id.replace("-", ""), 16);

  const session = (now) => {
    let [id, last] = (get(SESSION) || "").split(" ");
    if (!(Math.abs(now - last) <= IDLE && now - born(id) <= DAY)) {
      id = uuid();
      writeCookie(anonymous(), COOKIE_S);
    }
    put(SESSION, id + " " + now);
    return id;
  };

  const groups = () => attempt(() => JSON.parse(get(GROUPS))) || undefined;

  const reset = () => forget([ID, USER, SESSION, GROUPS]);

  const set = ($set, $set_once) => capture("$set", { $set, $set_once });

  const identify = (id, $set, $set_once) => {
    check(id, ID_TYPES);
    const user = get(USER);
    if (user == id) {
      if ($set || $set_once) set($set, $set_once);
      return;
    }
    // Another person at the same browser: nothing links the two.
    if (user) reset();
    const $anon_distinct_id = anonymous();
    put(USER, "" + id);
    capture("$identify", { $anon_distinct_id, $set, $set_once });
  };

  const alias = (alias) => {
    check(alias, ID_TYPES);
    capture("$create_alias", { alias });
  };

  const group = ($group_type, $group_key, $group_set) => {
    check($group_type, NAME_TYPES);
    check($group_key, ID_TYPES);
    const known = groups() || {};
    if (known[$group_type] == $group_key && !$group_set) return;
    put(GROUPS, JSON.stringify({ ...known, [$group_type]: $group_key }));
    capture("$groupidentify", { $group_type, $group_key, $group_set });
  };

  // --- what ---------------------------------------------------------------------------------------------------

  // What a fragment holds is private, but for the path of a page that a hash router shows: up to where a
  // parameter may begin, such as the token that a sign-in by OAuth puts behind the path.
  const route = (hash) => (switched("hash") ? hash.match(/^#!?\/[^?&;=#]*|$/)[0] : "");

  const listed = (option, name) => name && (options[option] || "").split(",").includes(name);

  // An address without what may be private: credentials, fragment, and of the query all but campaigns.
  const clean = (address) =>
    attempt(() => {
      const url = new URL(address);
      [...url.searchParams.keys()].forEach(
        (name) => CAMPAIGN.test(name) || listed("keepQuery", name) || url.searchParams.delete(name),
      );
      url.username = url.password = "";
      url.hash = route(url.hash);
      return url.href;
    });

  const page = () => ({
    $current_url: clean(location),
    $pathname: location.pathname + route(location.hash),
    $referrer: clean(referrer),
  });

  const bytes = (text) => new TextEncoder().encode(text).length;

  const capture = (event, properties) => {
    if (!allowed()) return;
    check(event, NAME_TYPES);
    const now = Date.now();
    const id = uuid();
    const text = JSON.stringify({
      event,
      distinct_id: get(USER) || anonymous(),
      properties: {
        ...page(),
        $session_id: session(now),
        $groups: groups(),
        $is_identified: !!get(USER),
        $raw_user_agent: nav.userAgent,
        $lib: "loopin.js",
        $lib_version: VERSION,
        $dropped_events: dropped || undefined,
        ...properties,
      },
      timestamp: new Date(now),
      uuid: id,
    });
    const queued = names(queueName);
    const characters = queued.reduce((sum, name) => sum + (get(name) || "").length, text.length);
    if (bytes(text) > EVENT_BYTES || queued.length >= QUEUED_EVENTS || characters > QUEUED_CHARACTERS) {
      dropped++;
      throw event + " dropped";
    }
    dropped = 0;
    put(queueName + id, text);
    schedule(DELAY);
  };

  // --- sending ------------------------------------------------------------------------------------------------

  const schedule = (delay) => {
    timer = timer || setTimeout(flush, delay);
  };

  // For how long nobody may send: because another tab does, or as a server asked.
  const wait = () => {
    const left = get(WAIT) - Date.now();
    return left > 0 && left <= HOUR ? left : 0;
  };

  const pause = (delay) => put(WAIT, "" + (Date.now() + delay));

  // The oldest events that fit into one request, as [name, text]; none while they may not be sent.
  const batch = () => {
    if (wait() || !allowed()) return [];
    let size = 500;
    return names(queueName)
      .filter((name) => !flying.includes(name))
      .map((name) => [name, get(name)])
      .filter(([, text]) => text && (size += bytes(text) + 1) < REQUEST_BYTES);
  };

  const body = (events) =>
    `{"api_key":${JSON.stringify(options.key)},"batch":[${events.map(([, text]) => text)}],"sent_at":${JSON.stringify(new Date())}}`;

  const settle = (events) => events.forEach(([name]) => remove(name));

  const send = async () => {
    let sent;
    for (let events; (events = batch()).length; ) {
      pause(PATIENCE);
      flying = events.map(([name]) => name);
      // Plain text, as a string's type is, needs no preflight.
      const answer = await fetch(url, {
        method: "POST",
        body: body(events),
        keepalive: true,
        credentials: "omit",
        signal: attempt(() => AbortSignal.timeout(PATIENCE)),
      }).catch(() => 0);
      flying = [];
      remove(WAIT);
      refused = /^(5..|429|408)$/.test(answer.status);
      if (answer && !refused) {
        failures = 0;
        sent = 1;
        settle(events);
        const { detail, receipts = [] } = (await answer.json().catch(() => 0)) || {};
        if (!answer.ok) warn(answer.status, detail);
        receipts.forEach(safe(({ reason }, at) => reason && warn(reason, events[at][1])));
      } else if (allowed()) {
        const asked = answer && +answer.headers.get("Retry-After");
        const seconds = asked || Math.min(2 ** ++failures, LONGEST_BACKOFF_S);
        pause(Math.min(Math.max(seconds, 1) * SECOND, HOUR));
      }
    }
    if (names(queueName).length) schedule(wait() || DELAY);
    // A moment later other tabs see what was removed.
    if (sent) await new Promise((done) => setTimeout(done, SETTLING));
  };

  const flush = safe(() => {
    clearTimeout(timer);
    timer = 0;
    const locks = disk && nav.locks; // on HTTPS only; the lease alone does nearly as well
    const sent = !nav.onLine || (locks ? locks.request(QUEUE, send) : flying.length || send());
    return Promise.resolve(sent).catch(() => {});
  });

  // The page may be gone at once: what the browser takes is delivered, the rest stays queued.
  const leave = () => {
    pageleave();
    vitals();
    // What this page sends keeps no other waiting: the next one cannot tell that it is gone.
    if (flying.length) remove(WAIT);
    for (let events; nav.onLine && (events = batch()).length; ) {
      if (!nav.sendBeacon || !nav.sendBeacon(url, body(events))) {
        send().catch(() => {});
        return remove(WAIT);
      }
      settle(events);
    }
  };

  // --- what is captured by itself -----------------------------------------------------------------------------

  const pageview = () => {
    here = page();
    shown = doc.hidden ? 0 : Date.now();
    const campaign = {};
    new URL(location).searchParams.forEach((value, name) => {
      if (CAMPAIGN.test(name)) campaign[name] = value;
    });
    capture("$pageview", { ...campaign, title: doc.title });
  };

  const pageleave = () => {
    if (shown) capture("$pageleave", { ...here, duration_s: (Date.now() - shown) / SECOND });
    shown = 0;
  };

  const navigated = safe(() => {
    if (here.$pathname == page().$pathname) return;
    pageleave();
    referrer = here.$current_url;
    pageview();
  });

  const watchHistory = () => {
    ["pushState", "replaceState"].forEach((name) => {
      const original = history[name];
      history[name] = (...given) => {
        const result = original.apply(history, given);
        navigated();
        return result;
      };
    });
    listen(win, "popstate", navigated);
    // Back from the browser's cache of whole pages, to which no code tells of leaving.
    listen(win, "pageshow", (event) => event.persisted && pageview());
  };

  const watchClicks = () =>
    listen(doc, "click", (click) => {
      const element = click.composedPath().find((node) => node.dataset && node.dataset.loopin != null);
      if (!element) return;
      const found = { element: element.dataset.loopin };
      Object.keys(element.dataset).forEach((name) => {
        if (/^loopin[A-Z]/.test(name))
          found[name.slice(6).replace(/\B[A-Z]/g, "_$&").toLowerCase()] = element.dataset[name];
      });
      const { event = "click", ...properties } = found;
      capture(event, properties);
    });

  const exception = (error, type) => {
    const now = Date.now();
    if (now - errorsSince > MINUTE) {
      errorsSince = now;
      errors = new Set();
    }
    const found = {
      type: error.name || "Error",
      value: ("" + (error.message || error)).slice(0, 1000),
      stack: ("" + (error.stack || "")).replace(/[?#][^\s:)]*/g, "").slice(0, 8000),
      mechanism: { handled: false, type },
    };
    const mark = JSON.stringify(found);
    if (errors.has(mark) || errors.size >= ERRORS_PER_MINUTE) return;
    errors.add(mark);
    capture("$exception", { $exception_list: [found], $exception_level: "error" });
  };

  const watchErrors = () => {
    // Failed images and scripts pass here too, without a message.
    listen(win, "error", (event) => event.message && exception(event.error || event.message, "onerror"));
    listen(win, "unhandledrejection", (event) => exception(event.reason || "undefined", "onunhandledrejection"));
  };

  // Definitions: https://web.dev/articles/vitals, as Google's web-vitals library takes them.
  const watchVitals = () => {
    const loaded = () =>
      setTimeout(
        safe(() => capture("page_loaded", { load_ms: since(navigation.loadEventEnd) })),
      );
    if (doc.readyState == "complete") loaded();
    else listen(win, "load", loaded);

    const values = {};
    const interactions = {};
    const observers = [];
    const navigation = performance.getEntriesByType("navigation")[0] || {};
    const start = navigation.activationStart || 0; // of a page that was rendered before it was asked for
    const since = (time) => Math.max(time - start, 0);
    let windowStart = 0;
    let lastShift = 0;
    let shifts = 0;

    const observe = (type, use, more) => {
      if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
      const each = safe((list) => list.forEach(use));
      const observer = new PerformanceObserver((list) => each(list.getEntries()));
      observer.observe({ type, buffered: true, ...more });
      observers.push(() => each(observer.takeRecords()));
      return 1;
    };

    // A page that began in the background is painted when it is looked at.
    if (!doc.hidden) {
      observe("paint", (entry) => {
        if (entry.name[6] == "c") values.FCP = since(entry.startTime); // first-contentful-paint
      });
      observe("largest-contentful-paint", (entry) => {
        values.LCP = since(entry.startTime);
      });
    }
    if (
      observe("layout-shift", (entry) => {
        if (entry.hadRecentInput) return;
        const time = entry.startTime;
        // A session window ends after a second without a shift, or after five.
        if (time - lastShift > SECOND || time - windowStart > 5 * SECOND) {
          windowStart = time;
          shifts = 0;
        }
        lastShift = time;
        values.CLS = Math.max(values.CLS, (shifts += entry.value));
      })
    )
      values.CLS = 0;
    const interaction = (entry) => {
      const id = entry.interactionId;
      if (id) interactions[id] = Math.max(interactions[id] || 0, entry.duration);
    };
    observe("event", interaction, { durationThreshold: 40 });
    observe("first-input", interaction);
    if (navigation.responseStart) values.TTFB = since(navigation.responseStart);

    vitals = () => {
      vitals = () => {};
      observers.forEach((take) => take());
      const slowest = Object.values(interactions).sort((a, b) => b - a);
      // One outlier in fifty interactions is forgiven.
      values.INP = slowest[Math.floor((performance.interactionCount || slowest.length) / 50)];
      const named = { ...here };
      Object.keys(values).forEach((name) => {
        named[`$web_vitals_${name}_value`] = values[name];
      });
      capture("$web_vitals", named);
    };
  };

  const WATCHES = { pageviews: watchHistory, clicks: watchClicks, errors: watchErrors, vitals: watchVitals };

  const begin = () => {
    const on = (name) => !listed("off", name);
    if (on("pageviews")) pageview();
    if (begun) return;
    begun = 1;
    // What waits under another key, which may be gone for good.
    names(QUEUE).forEach(
      (name) => name.startsWith(queueName) || Date.now() - born(name.slice(-36)) < 7 * DAY || remove(name),
    );
    Object.keys(WATCHES).forEach((name) => on(name) && safe(WATCHES[name])());
    listen(win, "pagehide", leave);
    listen(doc, "visibilitychange", () => {
      if (doc.hidden) leave();
      else if (on("pageviews")) shown = Date.now();
    });
    listen(win, "online", () => {
      if (!refused) remove(WAIT);
      flush();
    });
    flush();
  };

  // --- the page's way in --------------------------------------------------------------------------------------

  const init = (given) => {
    if (options) return;
    if (!given.key) throw "key is missing";
    options = given;
    queueName = QUEUE + given.key + "_";
    url = (given.host ? given.host.replace(/\/*$/, "/") : new URL("..", script.src).href) + "batch/";
    // What a person has decided stays: it is theirs.
    if (objected()) forget(names(PREFIX).filter((name) => name != CONSENT));
    if (!allowed()) return;
    if (doc.prerendering) listen(doc, "prerenderingchange", begin);
    else begin();
  };

  const methods = {
    capture,
    identify,
    alias,
    set,
    group,
    reset,
    flush,
    consent,
    optIn: () => consent(true),
    optOut: () => consent(false),
  };
  Object.keys(methods).forEach((name) => {
    api[name] = safe((...given) => {
      if (!options) calls.push([name, ...given]);
      else if (allowed() || /^(c.n|opt)/.test(name)) return methods[name](...given);
    });
  });
  api.init = safe((given) => {
    init(given);
    calls.splice(0).forEach(([name, ...rest]) => api[name](...rest));
  });
  win.loopin = api;
  const queuedInit = calls.find(([name]) => name == "init");
  if (script && script.dataset.key) api.init({ ...script.dataset });
  else if (queuedInit) api.init(queuedInit[1]);
})();
