// The search of the site asks a worker. A browser starts none for a page that is a file, so there a frame stands in.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      this.isReady = new Promise((ready) => { inside.isReady = ready; });
      addEventListener("message", (event) => {
        if (event.source === inside) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      inside.document.write("<script>postMessage = (data) => parent.postMessage(data, '*')</script>");
      inside.document.close();
      const script = inside.document.createElement("script");
      script.src = address;
      script.onload = () => inside.isReady();
      inside.document.body.append(script);
    }
    postMessage(data) {
      this.isReady.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
