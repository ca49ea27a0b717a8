// Keeps the page current: a change that the server tells of renews the content, with what was open and focused kept.
(function () {
  "use strict";
  var live = document.getElementById("live"), said = document.getElementById("said");
  if (!live || !window.EventSource || !window.fetch) return;
  var timer = 0, running = false, again = false;

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

  function put(fresh) {
    var open = Array.prototype.map.call(live.querySelectorAll("details[open][id]"), function (d) { return d.id; });
    var focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement : null;
    var holder = focused && (focused.id ? focused : focused.closest("[id]"));
    var wasSummary = focused && focused.tagName === "SUMMARY";
    var text = news(statuses(live), statuses(fresh));
    live.replaceChildren.apply(live, Array.prototype.slice.call(fresh.childNodes));
    open.forEach(function (id) { var d = document.getElementById(id); if (d) d.open = true; });
    var target = holder && document.getElementById(holder.id);
    if (target && wasSummary) target = target.querySelector("summary");
    if (target) target.focus({ preventScroll: true });
    said.textContent = "Updated at " + new Date().toLocaleTimeString() + ". " + text;
  }

  function renew() {
    if (running) { again = true; return; }
    running = true;
    fetch(location.href, { credentials: "same-origin", headers: { "Strata-Part": "live" } })
      .then(function (r) { if (!r.ok) throw new Error(String(r.status)); return r.text(); })
      .then(function (html) {
        var holder = document.createElement("template");
        holder.innerHTML = html;
        put(holder.content);
      })
      .catch(function () { said.textContent = "The page could not be renewed; it tries again with the next change."; })
      .then(function () { running = false; if (again) { again = false; renew(); } });
  }

  var lost = false;
  var source = new EventSource("/api/strategic/v1/events");
  source.addEventListener("change", function () { clearTimeout(timer); timer = setTimeout(renew, 250); });
  source.onerror = function () { lost = true; said.textContent = "The connection is lost; the page connects again by itself."; };
  source.onopen = function () { if (lost) { lost = false; renew(); } };
})();
