// All words of the page, in each language. {name} is filled in.
export const TEXTS = {
  en: {
    skip: "Skip to the content", photo: "Photo", mix: "Mix", video: "Video", folder: "Folder", about: "About", language: "Language", theme: "Light or dark",
    drop: "Drop a photo here", dropHint: "or paste one. JPEG, PNG, WebP, HEIC, AVIF, TIFF; or a .reage project.", choose: "Choose a photo", camera: "Use the camera", take: "Take the photo",
    privateLocal: "Your photo stays on this computer.", privateServer: "Your photo goes to this server only, and is deleted {minutes} minutes after you leave.",
    curtain: "Before and after: uncover the original", beforeTag: "before", afterTag: "after", row: "The same person at eight ages", faces: "Faces to change",
    age: "Age", years: "{age} years", ageOf: "Age of face {n}", looks: "looks {age} ± {spread}", photoLooks: "in the photo: {age} ± {spread}", reachLimit: "this face reaches {low} to {high} with this model",
    found1: "One face was found.", foundN: "{n} faces were found. Choose whom to change:", face: "Face {n}", faceAge: "Face {n}, looks {age}",
    opening: "Opening the photo …", waiting: "Waiting: {n} before you", working: "Learning this face … {percent}", left: "about {s} s left", quality2: "likeness {psnr} dB", stop: "Stop and keep", cancel: "Cancel", curves: "Looking at all ages …",
    undo: "Undo (Ctrl+Z)", redo: "Redo (Ctrl+Y)", zoom: "Zoom to the face", otherPhoto: "Another photo", download: "Download", downloadPhoto: "Photo in full size", strip: "Row of ages", project: "Project (.reage)",
    honest: "What you see is made up by a network: one plausible look, no prediction and no evidence. Files are marked as partly synthetic.",
    more: "More", paste: "Pasting", pasteDelta: "add the change (keeps detail)", pasteReplace: "put the made face there", pasteNone: "the made face alone", quality: "Care", fast: "fast", normal: "normal", best: "best", seed: "Seed", format: "File type", again: "Learn the face again",
    directions: "Other directions", directionsHint: "Not age, but what else the model can change. What these do differs from face to face.", direction: "Direction", strength: "Strength", history: "History", original: "the photo",
    mixTitle: "Mix two people", mixHint: "Coarse is shape and pose, middle is features, fine is colour and skin. The first person is the photo under “Photo”.", mixFirst: "first person, mixed", mixSecond: "second person:", coarse: "Coarse", middle: "Middle", fine: "Fine", mixNeeds: "First open a photo under “Photo”.",
    videoTitle: "A video at another age", videoHint: "People are followed through the video. Begin with a preview of three seconds.", file: "File", who: "Who", largest: "the largest face", everybody: "everybody", preview: "Length", preview3: "preview of 3 seconds", whole: "the whole video", begin: "Begin",
    folderTitle: "Many photos at once", folderHint: "A ZIP of photos goes in, a ZIP with each photo at all ages comes out, with a table of what was read.", zip: "ZIP file", agesList: "Ages",
    aboutTitle: "What this is", about1: "reage finds a face. A network paints how its lines, its shape and its hair change with age, until an age-reading network reads the age you asked for. Only that change is added to your photo.", about2: "How honest are these pictures? They show one plausible look, not what somebody will look like. The age is read by a network whose own error is about 7 years. Small models change the light of a face, and strong edits can blur it. Nothing here proves who somebody is.", about3: "Nothing is sent anywhere but to the computer that runs reage. There are no trackers and no requests to other hosts.", aboutModel: "The model", modelLine: "{model}, {resolution} pixels, licence {licence}, reage {version}", forget: "Delete all my pictures now", forgotten: "Everything was deleted.",
    done: "Done", save: "Save the file", failed: "Failed: {error}", cancelled: "Cancelled", running: "{stage} {done} of {total}", uploading: "Uploading … {percent}", failedPhotos: "{n} photos could not be used: {list}",
    tooLarge: "The file has {size} MB; {limit} MB are allowed.", offline: "The server does not answer. Is it still running?", noCamera: "The camera cannot be used: {error}", frames: "Making frames … {percent}",
  },
  zh: {
    skip: "跳到正文", photo: "照片", mix: "混合", video: "视频", folder: "批量", about: "关于", language: "语言", theme: "浅色或深色",
    drop: "把照片拖到这里", dropHint: "也可以粘贴。支持 JPEG、PNG、WebP、HEIC、AVIF、TIFF，或 .reage 项目文件。", choose: "选择照片", camera: "使用摄像头", take: "拍照",
    privateLocal: "照片只留在这台电脑上。", privateServer: "照片只会发送到此服务器，离开 {minutes} 分钟后删除。",
    curtain: "前后对比：拖动以显示原图", beforeTag: "之前", afterTag: "之后", row: "同一个人的八个年龄", faces: "要改变的人脸",
    age: "年龄", years: "{age} 岁", ageOf: "人脸 {n} 的年龄", looks: "看上去 {age} ± {spread} 岁", photoLooks: "照片中：{age} ± {spread} 岁", reachLimit: "此模型能让这张脸达到 {low} 到 {high} 岁",
    found1: "找到一张人脸。", foundN: "找到 {n} 张人脸。请选择要改变的人：", face: "人脸 {n}", faceAge: "人脸 {n}，看上去 {age} 岁",
    opening: "正在打开照片……", waiting: "排队中：前面还有 {n} 个", working: "正在分析人脸…… {percent}", left: "大约还需 {s} 秒", quality2: "相似度 {psnr} dB", stop: "停止并使用当前结果", cancel: "取消", curves: "正在查看所有年龄……",
    undo: "撤销 (Ctrl+Z)", redo: "重做 (Ctrl+Y)", zoom: "放大人脸", otherPhoto: "换一张照片", download: "下载", downloadPhoto: "原尺寸照片", strip: "年龄组图", project: "项目 (.reage)",
    honest: "所见图像由神经网络生成：只是一种可能的样子，不是预测，也不是证据。文件会标记为部分合成。",
    more: "更多", paste: "贴回方式", pasteDelta: "叠加变化（保留细节）", pasteReplace: "用生成的人脸替换", pasteNone: "只显示生成的人脸", quality: "精细程度", fast: "快速", normal: "普通", best: "最佳", seed: "随机种子", format: "文件类型", again: "重新分析这张脸",
    directions: "其他属性", directionsHint: "不是年龄，而是模型能改变的其他特征。效果因人而异。", direction: "方向", strength: "强度", history: "历史", original: "原照片",
    mixTitle: "混合两个人", mixHint: "粗层是形状和姿态，中层是五官，细层是颜色和皮肤。第一个人是“照片”页中的照片。", mixFirst: "第一个人（混合后）", mixSecond: "第二个人：", coarse: "粗", middle: "中", fine: "细", mixNeeds: "请先在“照片”页打开一张照片。",
    videoTitle: "另一个年龄的视频", videoHint: "会在整段视频中跟踪人物。建议先看三秒预览。", file: "文件", who: "谁", largest: "最大的人脸", everybody: "所有人", preview: "长度", preview3: "三秒预览", whole: "整段视频", begin: "开始",
    folderTitle: "一次处理多张照片", folderHint: "上传照片的 ZIP，得到每张照片各年龄的 ZIP，并附读数表。", zip: "ZIP 文件", agesList: "年龄",
    aboutTitle: "这是什么", about1: "reage 先找到人脸，再由神经网络绘制皱纹、脸型和头发随年龄的变化，直到年龄识别网络读出您要求的年龄。叠加到照片上的只有这些变化。", about2: "这些图像有多可信？它们只显示一种可能的样子，而不是某人将来的样子。年龄由神经网络读出，其自身误差约为 7 岁。小模型会改变脸上的光线，强烈的编辑可能使脸模糊。这里的任何内容都不能证明某人的身份。", about3: "除运行 reage 的电脑外，不会向任何地方发送数据。没有跟踪器，也不请求其他主机。", aboutModel: "模型", modelLine: "{model}，{resolution} 像素，许可证 {licence}，reage {version}", forget: "立即删除我的所有图片", forgotten: "已全部删除。",
    done: "完成", save: "保存文件", failed: "失败：{error}", cancelled: "已取消", running: "{stage} {done} / {total}", uploading: "正在上传…… {percent}", failedPhotos: "{n} 张照片无法使用：{list}",
    tooLarge: "文件为 {size} MB，上限为 {limit} MB。", offline: "服务器没有回应。它还在运行吗？", noCamera: "无法使用摄像头：{error}", frames: "正在生成画面…… {percent}",
  },
};

let language = "en";

export function text(key, values = {}) {
  const found = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export function setLanguage(name) {
  language = TEXTS[name] ? name : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.tagName === "BUTTON") element.title = text(element.dataset.label);
  }
}
