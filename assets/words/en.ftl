# Every word of the window, English. Keys are the same in every language; a test holds them to that.

menu-file = File
menu-edit = Edit
menu-view = View
menu-help = Help
search-commands = Search commands
close = Close
cancel = Cancel
original = Original
result = Result
pictures = Pictures
parameters = { $count } parameters

cmd-open = Open pictures…
cmd-open-tip = Choose one or more pictures to work on.
cmd-open-folder = Open folder…
cmd-open-folder-tip = Choose a folder; every picture in it joins the film strip.
cmd-open-path = Open by path…
cmd-open-path-tip = Type or paste where a picture or a folder is.
cmd-open-samples = Open the sample pictures
cmd-open-samples-tip = Add the pictures that come with Lucida.
cmd-paste = Paste picture
cmd-paste-tip = Take the picture (or the file path) from the clipboard.
cmd-export = Export picture…
cmd-export-tip = Save what you see, at the picture's full size.
cmd-export-all = Export all results…
cmd-export-all-tip = Save the result of every picture that has one for these settings into a folder.
cmd-copy = Copy result
cmd-copy-tip = Put what you see on the clipboard, at full size.
cmd-remove = Remove picture from strip
cmd-remove-tip = Take the shown picture out of the film strip. The file stays where it is.
cmd-put-back = Put the picture back
cmd-put-back-tip = Return the picture that was taken out of the strip last, with its results.
cmd-previous = Previous picture
cmd-previous-tip = Show the picture to the left in the film strip.
cmd-next = Next picture
cmd-next-tip = Show the picture to the right in the film strip.
cmd-apply-all = Apply to all pictures
cmd-apply-all-tip = Queue what is chosen now for every picture of the film strip.
cmd-cancel = Cancel job
cmd-cancel-tip = Stop the job that is running. Finished results stay.
cmd-cancel-all = Cancel all jobs
cmd-cancel-all-tip = Stop the running job, drop all that wait, read no more pictures and write no more of what is being exported. Finished results stay.
cmd-undo = Undo
cmd-undo-tip = Take the last change of the task's settings back, or put back the picture that was just taken out.
cmd-redo = Redo
cmd-redo-tip = Make the change again that was taken back.
cmd-reset-look = Reset the task's settings
cmd-reset-look-tip = Everything as at first; the chosen style or model stays.
cmd-zoom-fit = Zoom to fit
cmd-zoom-fit-tip = Show the whole picture.
cmd-zoom-one = Actual size
cmd-zoom-one-tip = One picture pixel on one screen pixel.
cmd-zoom-in = Zoom in
cmd-zoom-in-tip = Go closer. The mouse wheel goes to the cursor.
cmd-zoom-out = Zoom out
cmd-zoom-out-tip = Go farther away.
cmd-compare-result = Show result
cmd-compare-result-tip = Show the result alone.
cmd-compare-split = Compare with a split line
cmd-compare-split-tip = Original left of the line, result right of it. Drag the line.
cmd-compare-side = Compare side by side
cmd-compare-side-tip = Original and result beside each other, moved together.
cmd-compare-difference = Show difference
cmd-compare-difference-tip = Show how far each pixel is from the original; black is unchanged.
cmd-task-style = Style transfer
cmd-task-style-short = Style
cmd-task-style-tip = Repaint the picture in the manner of a painting.
cmd-task-segment = Segment
cmd-task-segment-short = Segment
cmd-task-segment-tip = Tell what each pixel shows: people, cars, the sky. Colours glide over the picture.
cmd-task-translate = Translate
cmd-task-translate-short = Translate
cmd-task-translate-tip = Turn the picture into another kind of picture: a photo into anime, an aerial photo into a map, and back. (Pictures, not languages.)
cmd-task-caption = Caption
cmd-task-caption-short = Caption
cmd-task-caption-tip = Say in a sentence what is in the picture, word by word, and show where the network looked for each word.
cmd-play-words = Play the words
cmd-play-words-tip = Show one word after another with its place in the picture, again and again. Arrow keys step.
cmd-copy-sentence = Copy the sentence
cmd-copy-sentence-tip = Put the sentence on the clipboard, as text.
cmd-free-words = Clear forced words
cmd-free-words-tip = Drop the words you fixed at the start; the network chooses the whole sentence again.
cmd-open-checkpoint = Open a checkpoint…
cmd-open-checkpoint-tip = Use weights from a file (.pth, .safetensors): torchvision's FCN, DeepLabV3 or LR-ASPP or a U-Net to segment, CycleGAN's, pix2pix's or CUT's generators to translate, the decoder of “a PyTorch Tutorial to Image Captioning” with its WORDMAP beside it to caption. Dropping the file on the window does the same.
checkpoints = Checkpoints
cmd-join-way-back = Join the way back…
cmd-join-way-back-tip = Choose the checkpoint of the generator that goes the other way, so that the two make a cycle.
cmd-choose-partner = True partner…
cmd-choose-partner-tip = Choose the picture that the translation ought to be, to measure how far it is from it. In paired folders (aerial and map, A and B) it is found by itself.
cmd-toggle-inspector = Show inspector
cmd-toggle-inspector-tip = Show or hide the controls at the right.
cmd-toggle-strip = Show film strip
cmd-toggle-strip-tip = Show or hide the pictures and results at the bottom.
cmd-theme-system = Theme of the system
cmd-theme-system-tip = Light or dark, as the system is set.
cmd-theme-light = Light theme
cmd-theme-light-tip = Dark text on light panels.
cmd-theme-dark = Dark theme
cmd-theme-dark-tip = Light text on dark panels.
cmd-scale-up = Larger interface
cmd-scale-up-tip = Make text and controls larger.
cmd-scale-down = Smaller interface
cmd-scale-down-tip = Make text and controls smaller.
cmd-scale-reset = Interface at normal size
cmd-scale-reset-tip = Text and controls as the system has them.
cmd-reduce-motion = Reduce motion
cmd-reduce-motion-tip = Panels and menus appear at once, without animation.
cmd-language-system = Language of the system
cmd-language-system-tip = Korean where the system speaks it, else English.
cmd-language-en = English
cmd-language-en-tip = Show the window in English.
cmd-language-ko = 한국어 (Korean)
cmd-language-ko-tip = Show the window in Korean.
cmd-palette = Search commands…
cmd-palette-tip = Find any command by its name.
cmd-about = About Lucida
cmd-about-short = About
cmd-about-tip = The version, the models with their terms, and whose work they rest on.
cmd-quit = Quit
cmd-quit-tip = Close the window. Pictures and settings are there again at the next start.

palette-hint = Type a command
palette-none = No command has these words.

invitation = Drop a picture here
invitation-more = or a whole folder. Lucida works on this computer; nothing leaves it.
drop-here =
    { $count ->
        [one] Drop to open it
       *[other] Drop to open all { $count }
    }
canvas-label = Canvas with { $name }
split-handle = Split line
hold-original = Hold to see the original
hold-original-tip = Press and hold to see the original. The space bar does the same; hold L for a loupe.
zoom-now = Zoom, click for actual size

style-hint = What each style makes of this picture. Click one.
style-hint-mix = Click styles to add them or take them out.
style-none = There is no result of this style.
style-again = Paint it
model-loading = Loading the model…
mix-styles = Mix styles
mix-styles-tip = Choose several styles; each gets a weight. Ctrl and click does the same.
mix-share = { $style } ({ $share } % of the mix)
mix-weight-tip = How much of this style is in the mix. The new mix is computed when you let go.
strength = Strength
strength-tip = How much of the result covers the original. 0 % is your photo. Double click for full strength.
keep-colours = Keep the photo's colours
keep-colours-tip = Take only light and dark from the result, and the colours from your photo.
stroke = Strokes
stroke-tip = The size the network paints at; the result is enlarged to the photo's. Smaller sizes give broader strokes, and are faster; at the own size of a large photo strokes are too fine to be seen.
stroke-own = As the photo ({ $pixels } px)
stroke-fine = Fine ({ $pixels } px)
stroke-usual = Usual ({ $pixels } px)
stroke-broad = Broad ({ $pixels } px)
bf16 = Faster, less exact arithmetic (bf16)
bf16-tip = Multiplies with 8 significant bits instead of 24 and paints the picture anew, sooner. Measured on the sample pictures, colours differ by 0.1 of 255 levels on average, by 9 at most.
bf16-missing = This processor lacks the instructions for it (AVX512-BF16).

style-hokusai-great-wave = Great Wave
style-van-gogh-auvers = Auvers
style-kandinsky-composition-viii = Composition
style-hiroshige-mackerel = Mackerel
style-hokusai-poppies = Poppies
style-cassatt-summertime = Summertime
style-hokusai-ejiri = Ejiri
style-arcimboldo-spring = Spring
style-hiroshige-benzaiten-shrine = Benzaiten
style-bruegel-harvesters = Harvesters
style-identity = Photo
mix-photo = Mix in the photo itself
mix-photo-tip = The network also knows how to give the photo back. Mixed in, it tames the style where it paints, not only where it shows.

segment-model = Model
segment-model-tip = The network and what it was taught: everyday things in any photo, or streets seen from a car.
segment-other = Against
segment-other-tip = A second model, to compare. It lies left of the split line; the difference view shows where the two disagree. Classes can be compared, maps of one class or of doubt cannot.
segment-other-none = Original photo
segment-other-classes = { $model } tells other classes apart than { $other }: their answers cannot be compared.
segment-disagree = { $other } and { $model } disagree on { $share } (striped)
model-added = A model that you added: { $id }
segment-checkpoint = A checkpoint from { $path }
segment-running = Looking at every pixel…
segment-none = There is no result of this model and these settings.
segment-again = Segment
attention-share = share of its attention at a place
segment-little = The network knows next to nothing of what is in this picture.
segment-nothing = The network sees none of the things it knows in this picture.
segment-try = Try { $model }
segment-classes =
    { $count ->
        [one] 1 class in this picture
       *[other] { $count } classes in this picture
    }
segment-bf16-tip = Multiplies with 8 significant bits instead of 24 and segments the picture anew, sooner. Borders may move by a pixel or two.
model-deeplabv3plus-voc = Everyday · DeepLabV3+
model-deeplabv3plus-voc-tip = Twenty kinds of things in any photo: people, animals, vehicles, furniture.
model-deeplabv3plus-camvid = Streets · DeepLabV3+
model-deeplabv3plus-camvid-tip = Dilated convolutions look far around each place (ASPP), and a decoder brings the edges back.
model-unet-camvid = Streets · U-Net
model-unet-camvid-tip = The network shrinks the picture, then grows it again, and joins both at every size (skip connections), so fine things survive.
model-fcn-8s-camvid = Streets · FCN-8s
model-fcn-8s-camvid-tip = Rough class scores at 1/32 of the size, refined with scores at 1/16 and 1/8 (skip connections).
model-fcn-16s-camvid = Streets · FCN-16s
model-fcn-16s-camvid-tip = The same network with one skip less: from a 16th of the size.
model-fcn-32s-camvid = Streets · FCN-32s
model-fcn-32s-camvid-tip = The same network without skips: scores at a 32nd of the size, and blobs are what is left.
show-classes = Classes
show-classes-tip = Each pixel in the colour of its likeliest class.
show-probability = Probability
show-probability-tip = How likely the chosen class is, place by place. Click a class to choose it.
show-uncertainty = Doubt
show-uncertainty-tip = Where the network cannot decide between classes (the entropy of its probabilities).
mode-fill = Fill
mode-fill-tip = Colours over the photo.
mode-outlines = Outlines
mode-outlines-tip = Lines around each class; the photo stays as it is.
mode-cut-out = Cut-out
mode-cut-out-tip = The photo only where a shown class is; the rest becomes transparent, also in an exported PNG. Opacity has no say.
colormap = Colours
colormap-grey = Grey
colormap-tip = The colours from the lowest value to the highest. Viridis, Magma and Cividis brighten evenly; Cividis looks much the same to colour-blind people.
opacity = Opacity
opacity-tip = How strongly the overlay covers the photo. Nothing is computed again.
show-names = Names
show-names-tip = Write the names on the regions of the canvas.
show-legend = Legend
show-legend-tip = A legend within the canvas, which can be dragged where it does not disturb.
show-all = Show all classes
class-colour = Colour of { $class }
class-colour-tip = Choose another colour. A right click goes back to the first.
class-pick-tip = Light this class up, here and on the canvas. Click again to let go.
class-hide = Hide { $class }
class-show = Show { $class }
class-solo = Show { $class } alone
crf = Follow the picture's edges (CRF)
crf-tip = A dense conditional random field: pixels that are near and of like colour would rather have the same class. It takes a second or more.
crf-iterations = Rounds
crf-iterations-tip = How often every pixel listens to all others. Default: 5.
crf-reach = Reach
crf-reach-tip = How far pixels of like colour agree, in hundredths of the picture's longer side. Default: 10 %.
crf-smoothness = Smoothness
crf-smoothness-tip = How far any two pixels agree, whatever their colours, in pixels of what the network sees. Default: 3.
crf-colour = Colour tolerance
crf-colour-tip = How unlike two colours (0 to 255) may be and still agree. Default: 8.
detail = Detail
detail-tip = The size the network sees the picture at. Larger finds smaller things, takes longer, and may take large things to pieces.
detail-usual = Default size
detail-usual-pixels = Default size ({ $pixels } px)
detail-pixels = { $pixels } px
look-twice = Look twice (mirror image too)
look-twice-tip = The network also sees the mirror image, and the mean of both answers counts. More comes out right, in twice the time.
looked-twice = mirror image seen too
looked-once = seen once
scale-probability = Probability of { $class }
scale-uncertainty = Doubt (entropy)
scale-sure = sure
scale-unsure = unsure
job-segment = { $model }
job-meet = Loading { $model }
job-translate = { $model } · { $way }

model-none = None
model-cyclegan-anime = Anime · CycleGAN
model-cyclegan-anime-tip = Learnt from photos and cartooned pictures that are not pairs; the rule is that translating back must give the original again.
model-cyclegan-maps = Maps · CycleGAN
model-cyclegan-maps-tip = Learnt from aerial photos and maps without being told which photo belongs to which map.
model-pix2pix-maps = Maps · pix2pix
model-pix2pix-maps-tip = The same aerial photos and maps, learnt from pairs: for each photo the network was told the map.
domain-photo = photo
domain-anime = anime
domain-aerial-photo = aerial photo
domain-map = map
translate-model-tip = The networks and between which kinds of pictures they translate.
translate-no-model = No model of this task is at hand. Open a checkpoint of CycleGAN, pix2pix or CUT.
translate-way = { $from } → { $to }
translate-way-tip = Translate { $way }.
translate-one-way = This model goes one way only. Join the checkpoint of the way back to it.
translate-other-way = This model cannot translate in this direction. Choose the other direction or another model.
translate-joined = Way back: { $name }
translate-part = Take the way back off again
translate-running = Translating…
translate-none = This picture is not translated.
translate-again = Translate this picture
translate-other = Against
translate-other-tip = A second model on the same picture.
translate-no-other = There is no second model. Choose one under Against, or open a checkpoint.
translate-no-judge = There is no discriminator with this model.
translate-partner = True partner: { $name }
translate-no-partner = No true partner was found beside the picture.
translate-size = Size
translate-size-tip = The longer side of the picture as the networks see it. Generators know things at the size they were trained with; larger keeps more detail, and takes longer.
size-own = The picture's own ({ $pixels } px)
translate-bf16-tip = Multiplies with 8 significant bits instead of 24 and translates the picture anew, sooner.
own-statistics = The picture's own statistics
own-statistics-tip = Normalise with this picture's own averages instead of those kept in training (batch norm); colours and contrast change. It is what pix2pix's test.py does without --eval, and what most published results were made with.
view-result = Result
view-result-tip = The translated picture, compared with the original in any way.
view-cycle = Cycle
view-cycle-tip = There and back again: the picture, its translation, and that translated back. The cycle must come home.
view-beside = Beside
view-beside-tip = Two models on the same picture, and what is true where that is known: learning from pairs beside learning without.
cycle-error = Where it did not come home
cycle-error-tip = The cycle's error as a map beside the way back: bright where that is far from the original. One scale for all pictures.
cycle-judged = Which patches look real or fake
cycle-judged-tip = The score that the discriminator (PatchGAN, the network that tells real from made) gives each patch, laid over the translation: near 1 it takes the patch for real, near 0 for made.
cycle-identity = Identity
cycle-identity-tip = What the way back makes of the picture itself, which is already there: it should stay as it is.
cycle-error-mean = Cycle error
cycle-error-mean-tip = The mean difference between the picture and its way there and back, over red, green and blue.
cycle-identity-mean = Identity error
cycle-identity-mean-tip = The mean difference between the picture and what the way back makes of it.
cycle-judged-mean = Discriminator
cycle-judged-mean-tip = The mean score of all patches: near 1 real, near 0 made. Values beyond both can occur.
pane-original = { $formula } · { $domain }
pane-result = { $formula } · as { $domain }
pane-back = { $formula } · { $domain } again
pane-same = { $formula } · identity
pane-error = { $formula }
pane-partner = True partner
note-error = error { $mean } of 255
note-l1 = L1 { $mean } of 255
note-verdict = score { $mean } (real 1, made 0)
note-kept-statistics = kept statistics
note-own-statistics = own statistics
of-255 = { $value } of 255
of-255-or-more = { $value } of 255 and more
scale-error = error 0
scale-made = made 0
scale-real = real 1
export-what-picture = Picture
export-what-picture-tip = What you see; of several pictures beside each other a sheet with their names.
export-what-labels = Labels
export-what-labels-tip = The number of each pixel's class as a grey PNG; 255 is no class.
export-what-cut-outs = Cut-outs
export-what-cut-outs-tip = A PNG for each shown class, transparent where it is not.
export-what-areas = Areas
export-what-areas-tip = The classes with their pixels and shares, as JSON.
export-what-back = Way back
export-what-back-tip = The translation translated back.
export-what-error = Error map
export-what-error-tip = The way back under the map of how far it is from the original.
export-what-verdict = Patch scores
export-what-verdict-tip = The translation with the discriminator's patch scores laid over it.
export-what-identity = Identity
export-what-identity-tip = What the way back makes of the picture itself.
caption-model-tip = The network that looks and the one that speaks, and what they were taught.
caption-no-model = No model of this task is at hand. Open a checkpoint of “a PyTorch Tutorial to Image Captioning”; its WORDMAP must lie beside it.
caption-running = Looking at the picture…
caption-none = This picture has no caption.
caption-again = Caption this picture
caption-beside = Against
caption-beside-tip = A second sentence about the same picture: another model's, or the greedy one of this model.
caption-greedy = Greedy (beam 1)
caption-greedy-short = greedy
caption-greedy-tip = Takes the likeliest word each time and never looks back. The beam's sentence is often likelier as a whole.
caption-first = Likeliest first words
caption-next = Likeliest words after “{ $words }”
caption-next-tip = What the network expected at the step that is shown, whatever was chosen then.
caption-next-word = Next word: { $word }, { $share }
caption-next-word-tip = Have this word said here; the sentence goes on from it by itself.
caption-forced = Forced start:
caption-forced-word = Forced word: { $word }
caption-forced-word-tip = Click to let the network choose again from this word on.
caption-sentences =
    { $count ->
        [one] The sentence of the beam
       *[other] { $count } sentences of the beam, the best first
    }
caption-unfinished = No sentence came to its end
caption-row = Sentence { $number }: { $text }
caption-row-greedy = Greedy sentence: { $text }
caption-row-tip = Show this sentence, with its own maps. The score ranks them: log p divided by a power of the length, so that long sentences are not always last. The others are log p, the natural logarithm of the sentence's probability, and its mean over the words. Nearer to 0 is better.
caption-log-prob = score { $rank } · log p { $sum } · { $mean } a word
caption-log-prob-tip = The natural logarithm of the sentence's probability, its end included, and its mean over the words. Nearer to 0 is likelier.
caption-beam = Beam
caption-beam-tip = How many sentences (hypotheses) are carried on at a time. 1 takes only the likeliest word each time (greedy); more find likelier sentences, and take longer. Default: 5.
caption-length = Length norm
caption-length-tip = Sentences are ranked by log-probability over length to this power. 0 favours short ones, 1 ranks by the mean over the words. A double click returns to what measured best for the model.
caption-spotlight = Spotlight
caption-spotlight-tip = The photo stays light where the network looked, and grows dark elsewhere. Without it colours lie over the photo.
caption-dim = Darkness
caption-dim-tip = How dark it grows where the network did not look. Nothing is computed again.
scale-each = Scale per word
scale-each-tip = Each word's map goes up to its own highest value: what it looked at most is always plain to see.
scale-common = Shared scale
scale-common-tip = All words of the sentence share one scale, so that their maps can be compared.
caption-no-attention = This model has no attention: it looks at the whole picture once, before the first word.
caption-looks-once = looks once
caption-bf16-tip = Multiplies with 8 significant bits instead of 24 while looking at the picture, sooner. Now and then another word is chosen.
caption-sum = Did it look everywhere?
caption-sum-short = Sum
caption-sum-tip = All maps of the sentence added up. The middle of the scale is an even look: what every place would get if none were preferred.
caption-sum-once = Half way is an even look; training asks for that.
scale-never = 0
scale-once = even
scale-twice = 2 × even
play-start = Play the words
play-stop = Stop playing
play-speed = Words per second
play-speed-tip = How fast the words are played. A double click returns to 2 a second.
play-pace = { $speed } words/s
word-name = Word { $number } of { $count }: { $word }, { $share }
word-name-end = End of the sentence, { $share }
word-map = Map of { $name }
word-end = end
word-start = start
word-unknown = (unknown)
word-pad = (nothing)
gaze-all-over = looks all over the picture
gaze-upper-left = looks at the upper left
gaze-top = looks at the top
gaze-upper-right = looks at the upper right
gaze-left = looks at the left
gaze-middle = looks at the middle
gaze-right = looks at the right
gaze-lower-left = looks at the lower left
gaze-bottom = looks at the bottom
gaze-lower-right = looks at the lower right
fate-continued = went on
fate-dropped = dropped: others were likelier
fate-finished = a finished sentence
fate-unfinished = not finished when the search ended
fate-forced = given, not chosen
node-name = { $words }, { $share }, rank { $rank }, { $fate }
node-probability = Probability of the word: { $share } (log { $log })
node-score = Sum so far: { $sum }
node-rank = Rank { $rank } of { $count } at this step
node-click = Click to choose the best sentence through it.
node-click-dropped = Click to have the sentence go this way.
beam-summary = Beam { $beam }: { $finished } finished, { $dropped } dropped
view-picture = Picture
view-picture-tip = The picture, and where the network looked for one word.
view-words = Words
view-words-tip = All words of the sentence beside each other, each with its map.
view-beam = Beam
view-beam-tip = How the sentence was found: all hypotheses with their log-probabilities, those that lived and those that were dropped.
view-beside-sentence = Beside
view-beside-sentence-tip = Two sentences about the same picture: with and without attention, or greedy beside beam.
job-caption = { $model }
model-show-attend-tell-flickr8k = Show, Attend and Tell
model-show-attend-tell-flickr8k-tip = Looks at another part of the picture for each word, as soft attention has it. Learnt from 6000 photos of people and animals with five sentences each.
model-show-tell-flickr8k = Show and Tell
model-show-tell-flickr8k-tip = The same without attention: it looks at the picture once and then speaks from memory.
export-what-sheet = Contact sheet
export-what-sheet-tip = The photo and, for each word, its map with the word and its probability.
export-what-gif = Animation (GIF)
export-what-gif-tip = The sentence being said, word by word, at the speed that is set.
export-what-apng = Animation (APNG)
export-what-apng-tip = The same in full colour, as an animated PNG.
export-what-maps = Maps
export-what-maps-tip = A PNG for each word, and one for the sum.
export-what-numbers = Numbers
export-what-numbers-tip = The words, their log-probabilities and their maps, as JSON.
export-what-values = Array
export-what-values-tip = The maps as an array of words, rows and columns, for NumPy (NPY).
export-what-sentence = Sentence
export-what-sentence-tip = The sentence as text.
export-what-tree = Beam tree
export-what-tree-tip = The tree of the beam as a drawing (SVG).
export-not-there = There is no such result yet. Wait until it is finished; for a part of a cycle, choose the Cycle view first.
export-ending = The name must end in .{ $ending }.
export-files = Files: { $files }

class-name-background = background
class-name-numbered = class { $number }
class-name-aeroplane = aeroplane
class-name-bicycle = bicycle
class-name-bird = bird
class-name-boat = boat
class-name-bottle = bottle
class-name-bus = bus
class-name-car = car
class-name-cat = cat
class-name-chair = chair
class-name-cow = cow
class-name-diningtable = dining table
class-name-dog = dog
class-name-horse = horse
class-name-motorbike = motorbike
class-name-person = person
class-name-pottedplant = potted plant
class-name-sheep = sheep
class-name-sofa = sofa
class-name-train = train
class-name-tvmonitor = TV monitor
class-name-sky = sky
class-name-building = building
class-name-pole = pole
class-name-road = road
class-name-pavement = pavement
class-name-tree = tree
class-name-sign = sign
class-name-fence = fence
class-name-pedestrian = pedestrian
class-name-bicyclist = bicyclist
class-name-foreground = foreground

export-picture = Export picture
export-title = Export picture
export-size = { $width } × { $height } pixels, exactly as you see it
export-size-segment = { $width } × { $height } pixels, as you see it, without names and legend
export-size-segment-alone = { $width } × { $height } pixels, the overlay on the whole picture, without names and legend
export-size-alone = { $width } × { $height } pixels, the result alone as you see it
export-size-part = { $width } × { $height } pixels
export-path = File
export-browse = Browse…
export-format = Format
export-quality = Quality
export-camera-data = Keep the camera data (EXIF)
export-camera-data-tip = When, where and with which camera the photo was taken, as far as the file tells. Leave it out of what strangers shall see.
export-quality-tip = How much of the detail the JPEG keeps: 100 is nearly all of it in a large file. A double click returns to 92.
export-save = Export
export-replace = Replace the file that is there
export-no-result = The result is not finished yet. Saving waits for it.
export-makes-it = There is no result yet. Exporting makes it first.
export-no-class = No class is shown; show one in the legend first.
export-all-losses = { $count ->
    [one] In one of the files transparency or 16-bit depth is lost; export as PNG or TIFF to keep it.
   *[other] In { $count } of the files transparency or 16-bit depth is lost; export as PNG or TIFF to keep it.
}
copy-no-result = The result is not finished; nothing was copied.
rescued = The graphics device was lost last time. What was finished is in { $folder }.
export-unknown-format = The name must end in .png, .jpg, .webp or .tiff.
loss-alpha = JPEG has no transparency: the picture will be laid on white. PNG, WebP and TIFF keep it.
sixteen-bit = 16-bit
loss-sixteen-bit = This format holds 8 bits per colour; the picture has 16. PNG and TIFF keep them.
loss-camera-data = The camera data does not go into this format. PNG and WebP keep it.
loss-too-large = This format ends at { $most } pixels a side. Choose PNG or TIFF.
loss-detail = JPEG is lossy; from a quality of 90 on the loss is hard to see.
saved = Saved { $path }
saved-many = { $count } files saved in { $folder }
removed = { $name } is out of the film strip; the file is where it was.
closing-writes =
    { $count ->
        [one] One picture is still being written; the window closes after it. Close again to quit without it.
       *[other] { $count } pictures are still being written; the window closes after them. Close again to quit without them.
    }
copied = Copied to the clipboard

open-path-title = Open by path
open-path-label = Path of a picture or a folder
open-path-hint = ~/Pictures/photo.jpg
open-path-open = Open
path-of-checkpoint = Path of a checkpoint
path-of-picture = Path of a picture
path-of-folder = Path of the folder to save in
no-dialog = This system shows no file dialog (on Linux install zenity or a desktop portal). Type the path here, or drop files on the window.
pictures-away =
    { $count ->
        [one] The folder of one picture from last time cannot be found. Reconnect its disk; the picture is back at the next start.
       *[other] The folders of { $count } pictures from last time cannot be found. Reconnect their disk; the pictures are back at the next start.
    }
folder-left-out = Of { $folder } only the pictures were opened, not what else is in it ({ $count }).
no-room =
    { $count ->
        [one] Memory has no room for one more picture. Take others out of the film strip first.
       *[other] Memory has no room for { $count } more pictures. Take others out of the film strip first.
    }
more-failures =
    { $count ->
        [one] One failure before these
       *[other] { $count } failures before these
    }
results-no-room =
    { $count ->
        [one] Memory is full, so this result was not begun. Export what you need, then take pictures out of the film strip.
       *[other] Memory is full, so { $count } results were not begun. Export what you need, then take pictures out of the film strip.
    }
paste-nothing = There is no picture on the clipboard. Copy one, or open a file.
ends-early = { $name } ends early: a part of it may be missing. Perhaps its download broke off.
more-frames = Of a file with several frames or pages the first is shown.
queued =
    { $count ->
        [0] Every picture has this result already
        [one] One picture queued
       *[other] { $count } pictures queued
    }
job-failed = It did not work: { $why }
names-and-more = { $names } and { $count } more
job-load = Loading the model
job-gallery = Trying all styles
job-style = { $style }
jobs-waiting = { $count } waiting
time-left = { $time } left
status-ready = Ready
status-files = Reading and writing files…
status-reading =
    { $count ->
        [one] Reading one picture…
       *[other] { $count } pictures to read…
    }
status-writing =
    { $count ->
        [one] Writing one export…
       *[other] { $count } exports to write…
    }
strip-beam = beam { $beam }
strip-pictures =
    { $count ->
        [one] 1 picture
       *[other] { $count } pictures
    }
strip-results =
    { $count ->
        [one] 1 result
       *[other] { $count } results, newest first
    }
made-in = made in { $seconds } s
no-gpu = no graphics adapter
gpu-memory = { $name }; { $megabytes } MB of its memory are in use.

session-values = These settings could not be read and are back at their defaults: { $names }.
session-aside = The settings file was damaged. It was kept as { $path }, and Lucida starts with defaults.
session-unreadable = The settings could not be read, so Lucida starts with defaults and leaves them as they are; changes will not be remembered. { $why }
session-not-saved = The settings could not be saved: { $why }

about-text = A vision studio: drop a picture, pick a task, and watch a network work. Everything runs on this computer.

# Why a control or a command makes no sense now
compare-missing = { $photo } ({ $model } is not there)
segment-maps-of-one = Maps of probability and doubt are one model's. Choose Classes to compare two.
opacity-cut-out = A cut-out has no colours to be more or less opaque.
show-on-classes = Only for classes: a map has no regions to name, and always shows its scale.
caption-sum-none = There is no sentence yet, or the model does not attend to places.
needs-picture = Not now: there is no picture.
needs-pictures = Not now: there is only one picture.
needs-removed = Not now: no picture was taken out, or its room was needed.
needs-previous = Not now: this is the first picture.
needs-next = Not now: this is the last picture.
needs-result = Not now: there is no result yet.
needs-any-result = Not now: no picture has a result of these settings yet.
needs-model = Not now: the model is not loaded, or cannot do this.
needs-job = Not now: nothing is running.
needs-undo = Not now: nothing was changed.
needs-redo = Not now: nothing was undone.
needs-change = Not now: everything is as it was at first.
needs-classes = Not now: between a photo and a map of numbers there is no difference. Choose Classes.
needs-result-picture = Not now: a caption is not a picture to compare with.
needs-caption = Only for captions.
needs-sentence = Not now: there is no sentence yet.
needs-forced = Not now: no word is fixed.
needs-translate = Only for translations.
needs-one-way = Not now: the chosen model has its way back already, or is not loaded.
