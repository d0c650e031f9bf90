// The filters of the evaluation page: hide what is of another lab or action. Without JavaScript all is shown.
"use strict";
(() => {
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const empty = document.getElementById("no-rows");
  const apply = () => {
    const wanted = Object.fromEntries(filters.map((filter) => [filter.dataset.filter, filter.value]));
    const other = (node, name) => wanted[name] !== "" && node.dataset[name] !== undefined && node.dataset[name] !== wanted[name];
    for (const node of document.querySelectorAll("[data-lab]")) node.hidden = other(node, "lab") || other(node, "action");
    empty.hidden = document.querySelector("tr[data-action]:not([hidden])") !== null;
  };
  filters.forEach((filter) => filter.addEventListener("change", apply));
  document.getElementById("filters").hidden = false;
})();
