using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary><c>lipsum(n, html, min, max)</c>: filler text, random as in Jinja.</summary>
static class Lipsum
{
    static readonly string[] Words =
        ("a ac accumsan ad adipiscing aenean aliquam aliquet amet ante aptent arcu at auctor augue bibendum " +
        "blandit class commodo condimentum congue consectetuer consequat conubia convallis cras cubilia cum " +
        "curabitur curae cursus dapibus diam dictum dictumst dignissim dis dolor donec dui duis egestas eget " +
        "eleifend elementum elit enim erat eros est et etiam eu euismod facilisi facilisis fames faucibus felis " +
        "fermentum feugiat fringilla fusce gravida habitant hac hendrerit hymenaeos iaculis id imperdiet in " +
        "inceptos integer interdum ipsum justo lacinia lacus laoreet lectus leo libero ligula litora lobortis " +
        "lorem luctus maecenas magna magnis malesuada massa mattis mauris metus mi molestie mollis montes morbi " +
        "mus nam nascetur natoque nec neque netus nibh nisi nisl non nonummy nostra nulla nullam nunc").Split(' ');

    public static object? Generate(RenderState state, Arguments arguments)
    {
        object?[] bound = arguments.Bind("lipsum", 0, "n", "html", "min", "max");
        bool html = IsMissing(bound[1]) || Truth.Of(bound[1]);
        int min = OrInt(bound[2], 20), max = OrInt(bound[3], 100);
        var paragraphs = new List<string>();
        for (int i = OrInt(bound[0], 5); i > 0; i--) paragraphs.Add(Paragraph(min, max, state.Budget));
        return html
            ? new Markup(string.Join('\n', paragraphs.Select(paragraph => $"<p>{paragraph}</p>")))
            : string.Join("\n\n", paragraphs);
    }

    static string Paragraph(int min, int max, Budget budget)
    {
        if (min >= max) throw Error.Value($"empty range for randrange() ({min}, {max}, {max - (long)min})");
        var text = new StringBuilder();
        int sentenceLeft = 0;
        for (int left = Random.Shared.Next(min, max); left > 0; left--)
        {
            string word = Words[Random.Shared.Next(Words.Length)];
            budget.AllocateString(word.Length + 1);
            if (text.Length > 0) text.Append(sentenceLeft == 0 ? ". " : " ");
            text.Append(sentenceLeft == 0 ? PyCase.Capitalize(word) : word);
            sentenceLeft = sentenceLeft == 0 ? Random.Shared.Next(6, 15) : sentenceLeft - 1;
        }
        return text.Append('.').ToString();
    }
}
