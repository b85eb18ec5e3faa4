// SPDX-License-Identifier: GPL-2.0-or-later
// Searches the pages that list programs: all of them where they are few, else those that have the names
// which begin with what is sought.
(function () {
  "use strict";
  var links = Array.prototype.slice.call(document.querySelectorAll("#lists a"));
  var box = document.getElementById("search"), found = document.getElementById("found");
  if (!links.length || !window.fetch || !window.DOMParser) { return; }
  var few = links.length <= 16, pages = {}, asked = 0, most = 50;
  var label = document.createElement("label"), input = document.createElement("input");
  label.textContent = few ? "Search: " : "Names that begin with: ";
  input.type = "search";
  label.appendChild(input);
  box.appendChild(label);
  box.hidden = false;
  function page(link) {
    if (!pages[link.href]) {
      pages[link.href] = fetch(link.href).then(function (r) {
        if (!r.ok) { throw new Error(r.status); }
        return r.text();
      }).then(function (text) {
        var doc = new DOMParser().parseFromString(text, "text/html");
        return Array.prototype.map.call(doc.querySelectorAll("dt a"), function (a) {
          return { name: a.textContent, at: "pages/" + a.getAttribute("href"), summary: a.parentNode.nextElementSibling.textContent };
        });
      });
      pages[link.href].catch(function () { delete pages[link.href]; });
    }
    return pages[link.href];
  }
  function first(link) { return link.textContent.split(" – ")[0].toLowerCase(); }
  function wanted(what) {
    if (few) { return links; }
    var all = links.filter(function (l, i) {
      var next = links[i + 1];
      return first(l) <= what + "\uffff" && (!next || first(next) >= what);
    });
    return all.slice(0, 3);
  }
  function show(all, what) {
    found.textContent = "";
    var list = document.createElement("dl");
    all.slice(0, most).forEach(function (p) {
      var dt = document.createElement("dt"), a = document.createElement("a"), dd = document.createElement("dd");
      a.href = p.at;
      a.textContent = p.name;
      dt.appendChild(a);
      dd.textContent = p.summary;
      list.appendChild(dt);
      list.appendChild(dd);
    });
    found.appendChild(list);
    var said = document.createElement("p");
    said.textContent = !all.length ? "Nothing is called “" + what + "”." : all.length > most ? "And " + (all.length - most) + " more." : "";
    found.appendChild(said);
  }
  function search() {
    var what = input.value.trim().toLowerCase(), mine = ++asked;
    if (!what) {
      found.textContent = "";
      return;
    }
    Promise.all(wanted(what).map(page)).then(function (all) {
      if (mine !== asked) { return; }
      var programs = [].concat.apply([], all);
      show(programs.filter(function (p) {
        var name = p.name.toLowerCase();
        return few ? name.indexOf(what) >= 0 || p.summary.toLowerCase().indexOf(what) >= 0 : name.indexOf(what) === 0;
      }), what);
    }).catch(function () {
      if (mine === asked) { found.textContent = "The list can’t be loaded: is the server there?"; }
    });
  }
  input.addEventListener("input", search);
  if (location.hash.indexOf("#q=") === 0) { // a link to what was found
    input.value = decodeURIComponent(location.hash.slice(3));
    search();
  }
})();
