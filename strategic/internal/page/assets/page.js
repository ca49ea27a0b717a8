// Keeps the page current: a change that the server tells of renews the content, with what was open and focused kept.
(function () {
  "use strict";
  var live = document.getElementById("live"), said = document.getElementById("said"), when = document.getElementById("when");
  if (!live || !window.EventSource || !window.fetch) return;
  var timer = 0, retry = 0, running = false, again = false, failing = false, source = null;

  function statuses(root) {
    var all = {};
    root.querySelectorAll("article").forEach(function (a) {
      all[a.id] = { name: a.querySelector("h3").textContent, status: a.querySelector(".badge").textContent.trim() };
    });
    return all;
  }

  function news(before, after) {
    var lines = [];
    Object.keys(after).forEach(function (id) {
      if (!before[id]) lines.push(after[id].name + " is new.");
      else if (before[id].status !== after[id].status) lines.push(after[id].name + " is now: " + after[id].status.replace(/^\S+\s+/, "") + ".");
    });
    return lines.join(" ");
  }

  // What is focused is found again by its id, or by where it stands in the nearest part that has one.
  function place(focused) {
    var holder = focused.closest("[id]");
    if (!holder || !live.contains(holder)) return null;
    var path = [];
    for (var e = focused; e !== holder; e = e.parentElement) path.unshift(Array.prototype.indexOf.call(e.parentElement.children, e));
    return { id: holder.id, path: path, tag: focused.tagName };
  }

  function find(at) {
    var e = document.getElementById(at.id);
    at.path.forEach(function (n) { e = e && e.children[n]; });
    if (!e || e.tagName !== at.tag) e = document.getElementById(at.id);
    return e && e.tagName === "DETAILS" ? e.querySelector("summary") : e;
  }

  function put(fresh) {
    var open = Array.prototype.map.call(live.querySelectorAll("details[open][id]"), function (d) { return d.id; });
    var focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement : null;
    var at = focused && place(focused), scrolled = focused ? [focused.scrollLeft, focused.scrollTop] : null;
    var text = news(statuses(live), statuses(fresh));
    live.replaceChildren.apply(live, Array.prototype.slice.call(fresh.childNodes));
    open.forEach(function (id) { var d = document.getElementById(id); if (d) d.open = true; });
    var target = at && find(at);
    if (target) {
      target.focus({ preventScroll: true });
      target.scrollLeft = scrolled[0];
      target.scrollTop = scrolled[1];
    }
    when.textContent = "Updated at " + new Date().toLocaleTimeString() + ".";
    if (text || failing) said.textContent = text; // read out only where there is something to say
    failing = false;
  }

  // failed says that the page is not current. Whoever is no longer signed in is told so: trying again would not help.
  function failed(status) {
    failing = true;
    said.textContent = status === 401 || status === 403 ? "You are no longer signed in, so this page is not kept current. Sign in again: open a new link, then load the page."
      : "The page could not be renewed and may be out of date; it tries again.";
    if (status !== 401 && status !== 403) later();
  }

  function renew() {
    if (running) { again = true; return; }
    running = true;
    var status = 0;
    fetch(location.href, { credentials: "same-origin", headers: { "Strata-Part": "live" } })
      .then(function (r) { status = r.status; if (!r.ok) throw new Error(String(r.status)); return r.text(); })
      .then(function (html) {
        var holder = document.createElement("template");
        holder.innerHTML = html;
        put(holder.content);
        if (source.readyState === EventSource.CLOSED) later();
      })
      .catch(function () { failed(status); })
      .then(function () { running = false; if (again) { again = false; renew(); } });
  }

  // later renews the page in a while, and connects again where a browser has given the connection up for good: it does that by
  // itself only while the server can't be reached, not after an answer other than 200.
  function later() {
    clearTimeout(retry);
    retry = setTimeout(function () { if (source.readyState === EventSource.CLOSED) connect(); else renew(); }, 5000);
  }

  function connect() {
    source = new EventSource("/api/strategic/v1/events");
    source.addEventListener("change", function () { clearTimeout(timer); timer = setTimeout(renew, 250); });
    source.onerror = function () {
      if (source.readyState === EventSource.CLOSED) { renew(); return; } // which says why, and connects again where that can help
      failing = true;
      said.textContent = "The connection is lost; the page connects again by itself.";
    };
    source.onopen = renew; // whatever changed before it was open, was not told
  }
  connect();
})();
